//! Who may get the exchanges of a service at all: decided when its members change, not per exchange.
//!
//! Primaries come before backups, the own zone before the others, and the fit before the unfit. Where too few are fit,
//! the rest would be overrun by what the others leave: then all are used (Envoy calls it panic), for a failing
//! health check is the more likely mistake.

/// One member of a service, as far as its place among the others goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its slot in shared memory.
    pub slot: u32,
    /// Share of the exchanges; 0 gets none.
    pub weight: u32,
    /// What its health allows.
    pub fitness: Fitness,
    /// It stands in for the primaries when none of them can be had.
    pub backup: bool,
    /// It is in another zone than the gateway.
    pub elsewhere: bool,
}

/// What an instance's health allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fitness {
    /// It may get exchanges.
    Fit,
    /// It gets none, unless too few others are fit.
    Unfit,
    /// An operator took it out: it gets none whatever happens.
    Disabled,
}

/// The members that may get exchanges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Candidates {
    /// Those that the balance chooses from.
    pub eligible: Vec<Member>,
    /// Those for an exchange that can have none of the eligible: those of the same tier that are elsewhere, and when none of them
    /// can be had, the next tier.
    pub standby: [Vec<Member>; 2],
    /// Too few are fit, and the eligible include the unfit.
    pub panic: Panic,
}

/// Whose health does not matter, because too few of their tier are fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u32)]
pub enum Panic {
    /// Nobody's.
    #[default]
    None = 0,
    /// That of the primaries.
    Primaries = 1,
    /// That of the backups, which stand in for them.
    Backups = 2,
}

impl Panic {
    /// The inverse of `self as u32`; any other number is no panic.
    #[inline]
    pub fn from_word(word: u32) -> Self {
        match word {
            1 => Self::Primaries,
            2 => Self::Backups,
            _ => Self::None,
        }
    }

    /// Is a member of its tier used whatever its health?
    #[inline]
    pub fn covers(self, backup: bool) -> bool {
        self == if backup { Self::Backups } else { Self::Primaries }
    }
}

/// The candidates among the members. Below `panic_percent` of a tier's members fit, all of the tier are eligible.
///
/// The tier is the primaries', unless there are none, or none of them is fit and a backup is. The own zone has it to itself while
/// at least half of its members in the tier are fit.
pub fn candidates(members: &[Member], panic_percent: u8) -> Candidates {
    let willing = |member: &&Member| member.weight > 0 && member.fitness != Fitness::Disabled;
    let (backups, primaries): (Vec<Member>, Vec<Member>) =
        members.iter().filter(willing).partition(|member| member.backup);
    let use_backups =
        primaries.is_empty() || fit(&primaries).next().is_none() && fit(&backups).next().is_some();
    let (tier, next, panic) =
        if use_backups { (backups, vec![], Panic::Backups) } else { (primaries, backups, Panic::Primaries) };
    let count = fit(&tier).count();
    if (count as u64) * 100 < tier.len() as u64 * u64::from(panic_percent) {
        return Candidates { eligible: tier, standby: [vec![], fit(&next).collect()], panic };
    }
    let at_home: Vec<Member> = tier.iter().copied().filter(|member| !member.elsewhere).collect();
    let fit_at_home = fit(&at_home).count();
    let stays = fit_at_home > 0 && fit_at_home * 2 >= at_home.len();
    let (others, eligible) = fit(&tier).partition(|member| stays && member.elsewhere);
    Candidates { eligible, standby: [others, fit(&next).collect()], panic: Panic::None }
}

fn fit(members: &[Member]) -> impl Iterator<Item = Member> + '_ {
    members.iter().copied().filter(|member| member.fitness == Fitness::Fit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FIT: Member = Member { slot: 0, weight: 1, fitness: Fitness::Fit, backup: false, elsewhere: false };
    const UNFIT: Member = Member { fitness: Fitness::Unfit, ..FIT };
    const DISABLED: Member = Member { fitness: Fitness::Disabled, ..FIT };

    const fn backup(member: Member) -> Member {
        Member { backup: true, ..member }
    }

    const fn elsewhere(member: Member) -> Member {
        Member { elsewhere: true, ..member }
    }

    /// Places of the eligible and of the standby, and whether it is panic, at a threshold of 50 %.
    fn chosen(members: &[Member]) -> (Vec<u32>, Vec<u32>, bool) {
        let numbered: Vec<Member> =
            (0..).zip(members).map(|(slot, &member)| Member { slot, ..member }).collect();
        let Candidates { eligible, standby, panic } = candidates(&numbered, 50);
        let places = |members: Vec<Member>| members.iter().map(|member| member.slot).collect();
        (places(eligible), places(standby.concat()), panic != Panic::None)
    }

    #[test]
    fn the_fit_are_eligible_and_weight_0_is_not() {
        let no_weight = Member { weight: 0, ..FIT };
        assert_eq!(chosen(&[FIT, UNFIT, no_weight, FIT]), (vec![0, 3], vec![], false));
        assert_eq!(chosen(&[]), (vec![], vec![], false));
        assert_eq!(chosen(&[no_weight]), (vec![], vec![], false));
    }

    #[test]
    fn backups_wait_until_no_primary_is_fit() {
        assert_eq!(chosen(&[FIT, backup(FIT), UNFIT]), (vec![0], vec![1], false));
        assert_eq!(chosen(&[UNFIT, backup(FIT), UNFIT, backup(UNFIT)]), (vec![1], vec![], false));
        assert_eq!(chosen(&[backup(FIT), DISABLED]), (vec![0], vec![], false));
    }

    #[test]
    fn below_half_of_a_tier_all_of_it_is_used_but_the_disabled() {
        assert_eq!(chosen(&[FIT, UNFIT]), (vec![0], vec![], false), "half is enough");
        assert_eq!(chosen(&[FIT, UNFIT, UNFIT, DISABLED]), (vec![0, 1, 2], vec![], true));
        assert_eq!(chosen(&[UNFIT, UNFIT]), (vec![0, 1], vec![], true));
        assert_eq!(chosen(&[UNFIT, UNFIT, FIT, backup(FIT)]), (vec![0, 1, 2], vec![3], true));
        assert_eq!(chosen(&[UNFIT, backup(FIT), backup(UNFIT), backup(UNFIT)]).0, [1, 2, 3]);
        assert_eq!(chosen(&[UNFIT, backup(UNFIT)]), (vec![0], vec![], true), "primaries first");
        assert_eq!(chosen(&[DISABLED, backup(UNFIT)]), (vec![1], vec![], true), "there is no primary");
    }

    #[test]
    fn the_own_zone_has_it_to_itself_while_half_of_it_is_fit() {
        let (here, away) = (FIT, elsewhere(FIT));
        assert_eq!(chosen(&[away, here, away]), (vec![1], vec![0, 2], false));
        assert_eq!(chosen(&[here, UNFIT, away]), (vec![0], vec![2], false));
        assert_eq!(chosen(&[here, UNFIT, UNFIT, away, away]), (vec![0, 3, 4], vec![], false));
        assert_eq!(chosen(&[UNFIT, away]), (vec![1], vec![], false));
        assert_eq!(chosen(&[away, away]), (vec![0, 1], vec![], false));
    }

    #[test]
    fn standby_goes_by_zone_and_then_to_backups() {
        let members = [backup(FIT), elsewhere(FIT), FIT, elsewhere(backup(FIT))];
        assert_eq!(chosen(&members), (vec![2], vec![1, 0, 3], false));
        let groups = candidates(&members, 50).standby.map(|group| group.len());
        assert_eq!(groups, [1, 2], "first the other primaries, and no backup beside them");
    }

    #[test]
    fn a_panic_is_of_one_tier() {
        let of = |members: &[Member]| candidates(members, 50).panic;
        assert_eq!(of(&[FIT, UNFIT, UNFIT, backup(FIT)]), Panic::Primaries);
        assert_eq!(of(&[UNFIT, UNFIT, backup(FIT), backup(UNFIT), backup(UNFIT)]), Panic::Backups);
        assert_eq!(of(&[UNFIT, backup(FIT)]), Panic::None);
        for panic in [Panic::None, Panic::Primaries, Panic::Backups] {
            assert_eq!(Panic::from_word(panic as u32), panic);
            assert_eq!(
                [false, true].map(|backup| panic.covers(backup)),
                [panic as u32 == 1, panic as u32 == 2]
            );
        }
        assert_eq!(Panic::from_word(u32::MAX), Panic::None);
    }

    fn member() -> impl Strategy<Value = Member> {
        let fitness = prop_oneof![Just(Fitness::Fit), Just(Fitness::Unfit), Just(Fitness::Disabled)];
        (0u32..3, fitness, any::<bool>(), any::<bool>()).prop_map(|(weight, fitness, backup, elsewhere)| {
            Member { slot: 0, weight, fitness, backup, elsewhere }
        })
    }

    proptest! {
        /// Whoever is fit and has a weight is eligible or on standby, once; nobody without weight and nobody disabled
        /// is; the unfit only in a panic; and where anybody can be had, somebody is eligible.
        #[test]
        fn nobody_is_lost_and_nobody_let_in(members in prop::collection::vec(member(), 0..8), panic in 0u8..=100) {
            let members: Vec<Member> =
                (0..).zip(members).map(|(slot, member)| Member { slot, ..member }).collect();
            let found = candidates(&members, panic);
            for member in &members {
                let listed = found.eligible.iter().chain(found.standby.iter().flatten());
                let count = listed.filter(|one| *one == member).count();
                let serves = member.weight > 0 && member.fitness == Fitness::Fit;
                let may = serves || found.panic.covers(member.backup) && member.weight > 0 && member.fitness == Fitness::Unfit;
                // In use of backups for want of fit primaries nobody else is fit, so `serves` holds for all of them.
                prop_assert!(count == 1 || count == 0 && !serves, "{member:?} in {found:?}");
                prop_assert!(count == 0 || may, "{member:?} in {found:?}");
            }
            prop_assert!(!found.eligible.is_empty() || found.standby.concat().is_empty());
            prop_assert!(found.panic == Panic::None || found.eligible.iter().any(|one| one.fitness == Fitness::Unfit));
        }
    }
}
