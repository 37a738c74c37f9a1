"""SageMaker played on this machine: a service on loopback that checks requests and truly runs the jobs."""
