"""Cases of the Kubernetes Gateway API's conformance suite, judged by our configuration and the engine."""
