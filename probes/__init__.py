"""Probes: what is observed. Plain typed functions, for experiments and for tests of your own.

They look at the run that is open in the process. In an experiment the evidence control opens it; under
pytest the fixture ``messages`` does, anywhere else `chaosp7.measure.messages.measured`::

    from probes.sequence import lost_messages

    def test_nothing_is_lost(messages):
        with messages:
            ...
        assert lost_messages() == 0

While the load runs they say what is known of what is overdue; after it, what is final. One that can't
measure raises ``chaoslib.exceptions.ActivityFailed``: never does it read as "nothing lost".
"""
