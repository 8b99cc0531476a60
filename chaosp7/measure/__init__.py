"""Runs without Chaos Toolkit: for tests, whatever they are written with.

::

    from chaosp7.measure.messages import measured
    from probes.sequence import lost_messages

    with measured("restart", platform="embedded", rate_per_s=500) as messages:
        with messages.fault("stop", "silver-processor"):
            ...
        account = messages.account()
        account.assert_delivered()
        assert lost_messages("silver") == 0

It is the same run as an experiment's: the load, the recorder, the fault ledger, the watchdog, the drain,
the account, the verdict, and the folder of evidence. For pytest there are fixtures:
`chaosp7.pytest_plugin`.
"""
