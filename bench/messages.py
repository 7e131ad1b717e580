"""The messages that requests are measured with, as they go over the wire."""

REQUEST_12_FIELDS = (
    b"GET /some/path?with=query HTTP/1.1\r\nHost: www.example.com\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36\r\n"
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-US,en;q=0.9\r\n"
    b"Accept-Encoding: gzip, deflate, br\r\nCookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n"
    b"Cache-Control: no-cache\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: none\r\n"
    b"Referer: https://www.example.com/some/page\r\nConnection: keep-alive\r\n\r\n"
)
"""A browser's request."""
REQUEST_12_FIELDS_CLOSING = REQUEST_12_FIELDS.replace(b"Connection: keep-alive", b"Connection: close")
"""The last one of its connection."""
REQUEST_2_FIELDS = b"GET /some/path HTTP/1.1\r\nHost: www.example.com\r\nAccept: */*\r\n\r\n"
"""A program's request."""
RESPONSE = (
    b"HTTP/1.1 200 OK\r\nServer: origin\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Type: text/plain\r\n"
    b"Content-Length: 64\r\nConnection: keep-alive\r\n\r\n" + b"x" * 64
)
"""A small answer."""
