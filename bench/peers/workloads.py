"""All workloads of the suite: each is a value here and nowhere else."""

from bench.peers.job import Setup, Workload

_HOST = ("Host", "api.example.com")
_TWELVE_FIELDS = (
    _HOST,
    ("Connection", "keep-alive"),
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
    ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"),
    ("Accept-Language", "en-GB,en;q=0.7,de;q=0.3"),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ("Referer", "https://www.example.com/catalogue/watches?page=3"),
    ("Cookie", "session=0b4f6d0e8a3c4c7f9e21d5b6a7c8d9e0; theme=dark; consent=1"),
    ("Sec-Fetch-Dest", "document"),
    ("Sec-Fetch-Mode", "navigate"),
    ("Sec-Fetch-Site", "same-site"),
    ("Cache-Control", "max-age=0"),
)
_TWO_FIELDS = (_HOST, ("User-Agent", "bench"))
_CLOSING = tuple((name, "close" if name == "Connection" else value) for name, value in _TWELVE_FIELDS)

KEEP_ALIVE = Workload(
    name="keepalive",
    title="Keep-alive GET, 12 header fields, 64-byte body",
    fields=_TWELVE_FIELDS,
)

_ALL = (
    KEEP_ALIVE,
    Workload(
        name="keepalive-2",
        title="Keep-alive GET, 2 header fields, 64-byte body",
        fields=_TWO_FIELDS,
    ),
    Workload(
        name="connection",
        title="A new connection for every request",
        fields=_CLOSING,
        note="connections to the instances are kept",
    ),
    Workload(
        name="response-100k",
        title="Responses of 100 KB",
        fields=_TWELVE_FIELDS,
        response_bytes=100_000,
    ),
    Workload(
        name="response-1m",
        title="Responses of 1 MB",
        fields=_TWELVE_FIELDS,
        response_bytes=1_000_000,
    ),
    Workload(
        name="upload-64k",
        title="Uploads of 64 KB",
        fields=_TWELVE_FIELDS,
        request_bytes=64 * 1024,
        note="the origin reads the whole body before it answers",
    ),
    Workload(
        name="connections-1000",
        title="1,000 keep-alive connections",
        fields=_TWELVE_FIELDS,
        connections=1_000,
    ),
    Workload(
        name="latency",
        title="Latency at 50 % of capacity",
        fields=_TWELVE_FIELDS,
        measure="latency",
        connections=128,
        note=(
            "each gateway at half of the requests per second that it reached just before, "
            "at a constant rate, corrected for coordinated omission; all of them stand, and the load goes from one to the next in "
            "slices of 250 ms: p50 and p99 are the medians of those of the slices, p99.9 that of all of them together"
        ),
    ),
    Workload(
        name="idle-memory",
        title="Memory per idle keep-alive client",
        fields=_TWELVE_FIELDS,
        measure="idle memory",
        connections=5_500,
        note="growth of the gateway's own memory (PSS) from 500 clients to 5,500, each of which has sent one request",
    ),
    Workload(
        name="access-log",
        title="Access log",
        fields=_TWELVE_FIELDS,
        setups=(Setup("off"), Setup("on", access_log=True)),
        against_itself=True,
        note="one line of JSON a request, to a file, as well buffered as the gateway can",
    ),
    Workload(
        name="routes-10000",
        title="Many routes",
        fields=_TWELVE_FIELDS,
        paths=9_999,
        setups=(Setup("1 route"), Setup("10,000 routes", routes=10_000)),
        against_itself=True,
        note="the same requests in both setups: to every route but the check's in turn",
    ),
    Workload(
        name="instances-1000",
        title="Many instances",
        fields=_TWELVE_FIELDS,
        setups=(Setup("2 instances"), Setup("1,000 instances", instances=1_000)),
        against_itself=True,
        note="one origin on as many loopback addresses; 200 health checks a second are part of the cost",
    ),
    Workload(
        name="keys-1000000",
        title="Many limit keys",
        fields=_TWELVE_FIELDS,
        setups=(Setup("1 key"), Setup("1,000,000 keys", clients=1_000_000)),
        behind_proxy=True,
        against_itself=True,
        note=(
            "the key is the client's address, which a trusted proxy names in X-Forwarded-For: a million addresses in "
            "turn, each of which has sent a request before the measurement begins, or always the same"
        ),
    ),
    Workload(
        name="workers-2",
        title="Two workers",
        fields=_TWELVE_FIELDS,
        setups=(Setup(workers=2),),
        connections=64,
        note=(
            "the gateway runs on both cores and the load shares them, so that the figures compare with each other "
            "and not with those of other workloads"
        ),
    ),
)

WORKLOADS = {workload.name: workload for workload in _ALL}
