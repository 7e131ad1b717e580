"""Active health checks: a policy that judges, a prober that asks, a service that keeps the schedule."""
