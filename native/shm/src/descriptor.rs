//! Descriptors that a process inherits: all it has of them is a number.

use std::os::fd::{BorrowedFd, OwnedFd, RawFd};

use rustix::io::{fcntl_dupfd_cloexec, Errno};

/// A duplicate of what the number stands for, which may be closed afterwards. `EBADF`: it stands for nothing.
pub fn duplicate(fd: RawFd) -> Result<OwnedFd, Errno> {
    if fd < 0 {
        return Err(Errno::BADF);
    }
    // SAFETY: the number is not -1, and it is only used to duplicate it: one that is not open fails there.
    fcntl_dupfd_cloexec(unsafe { BorrowedFd::borrow_raw(fd) }, 3)
}
