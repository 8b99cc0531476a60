"""A run that is only planned: faults are noted in place of being carried out, nothing is touched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Never, cast

from chaosp7.embedded.plan_model import Plan
from chaosp7.errors import NotRunningError
from chaosp7.platform.links import Links
from chaosp7.platform.model import Platform, Service
from chaosp7.platform.process_driver import ProcessDriver
from chaosp7.run.evidence import FaultRecord
from chaosp7.run.plan import RunPlan
from chaosp7.run.run import Run

if TYPE_CHECKING:
    from chaosp7.actions._fault import Fault

__all__ = ["PlannedRun"]


class PlannedRun(Run):
    """Stands where a run would, for actions to make their faults and check their arguments.

    Args:
        model: the system under test.
        plan: what a run would do.

    Attributes:
        planned: each fault with its record, in the order of the experiment.
    """

    def __init__(self, model: Platform, plan: RunPlan) -> None:
        super().__init__(model, plan)
        self.driver = _PlannedDriver(model)
        self.planned: list[tuple[Fault, FaultRecord]] = []


class _PlannedDriver(ProcessDriver):
    """A driver that knows the names and reaches nothing, even if the platform happens to be up."""

    def __init__(self, model: Platform) -> None:
        super().__init__(model)
        self._model = model
        self._client = cast("Any", _Nobody())

    @property
    def plan(self) -> Plan:
        return cast("Plan", _Names(self._model))

    @property
    def links(self) -> Links:
        _refuse()

    def running(self) -> bool:
        return False

    def networks(self, service: str) -> str:
        if self._model.driver == "docker":
            _refuse()
        return super().networks(service)


class _Names:
    def __init__(self, model: Platform) -> None:
        self._model = model

    def service(self, name: str) -> Service:
        return self._model.service(name)

    def the_service(self, *_: Any) -> Never:
        _refuse()

    @property
    def links(self) -> Never:
        _refuse()

    @property
    def services(self) -> Never:
        _refuse()


class _Nobody:
    def status(self) -> Never:
        _refuse()

    def ask(self, *_: Any) -> Never:
        _refuse()


def _refuse() -> Never:
    raise NotRunningError("only planned: nothing is touched and nothing can be looked at")
