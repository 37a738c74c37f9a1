import work

SCORED = []


def pytest_sessionfinish(exitstatus):
    if exitstatus == 0:
        work.tell(SCORED)
