"""Which code runs: the template in force, and the way from one generation of code to the next.

SIGHUP imports the code afresh, in a template beside the one in force (a *trial*, which harms
nobody), then has the runners take it one by one (a *roll*; whose turn it is, ``plan`` says). The
old template stays until the roll is over: a runner that dies too young proves the new code bad,
and all go back. Code of a generation is imported once. Where its template has to be replaced, that
finds what lies in the files by then.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import msgspec

from horus_supervisor import linux, messages
from horus_supervisor.events import Event, counted
from horus_supervisor.supervisor import children
from horus_supervisor.supervisor.plan import STACK_WITHIN_S
from horus_supervisor.supervisor.programs import Programs, Template
from horus_supervisor.supervisor.seat import Seat
from horus_supervisor.supervisor.standing import Refused

MOST_ENDS = 3
"""So often may the template of new code end in a roll: then it is bad code."""


_BELOW_IT = re.compile(r'\n  File "[^"]*supervisor/fork\.py", line \d+ in _become(\n  File .*)*')
"""The frames in a dumped stack from which a template was forked: they tell nothing."""


@dataclass(slots=True)
class Reload:
    """What one SIGHUP set going. Times are monotonic seconds."""

    template: Template
    begun_at: float
    import_by: float
    dumped_at: float | None = None
    rolling: bool = False
    ends: int = 0  # of its template, in the roll
    taken: set[str] = field(default_factory=set)  # runners that serve by its code
    failed: bool = False  # all go back


class Generations:
    """The templates, and the reload that goes on, if any. Starts none of them itself."""

    def __init__(self, programs: Programs, boot: messages.Boot) -> None:
        self._ways = programs.ways
        self._programs = programs
        self._reload: Reload | None = None
        self._next: tuple[messages.Boot, float] | None = None  # a SIGHUP during a roll
        self._last = 0
        self.in_force = self._add(boot)
        self.refused: Refused | None = None  # why the last new code is not taken

    def _add(self, boot: messages.Boot) -> Template:
        self._last += 1
        template = Template(ways=self._ways, generation=self._last, boot=boot)
        self._programs.templates.append(template)
        return template

    # --- what is wanted ------------------------------------------------------------------------

    @property
    def wanted(self) -> int:
        """The generation that every runner is to be of."""
        at = self._reload
        new = at is not None and at.rolling and not at.failed
        return at.template.generation if at and new else self.in_force.generation

    @property
    def boot(self) -> messages.Boot:
        """What the code that runs was to import, or that which is on its way or to come."""
        if self._next:
            return self._next[0]
        at = self._reload
        return at.template.boot if at and not at.failed else self.in_force.boot

    @property
    def proven(self) -> bool:
        """Whether that generation has served here before."""
        return self.wanted == self.in_force.generation

    @property
    def ready(self) -> list[int]:
        """The generations of which a runner can be born now."""
        return [t.generation for t in self._programs.templates if t.ready and not t.dismissed]

    @property
    def busy(self) -> bool:
        """Whether a reload goes on, or is to begin."""
        return self._reload is not None or self._next is not None

    def ask(self, generation: int, spec: messages.Spawn, fds: list[int]) -> Template | None:
        """Ask for a runner of a generation; give its template, None where it can't be asked now."""
        for template in self._programs.templates:
            if template.generation == generation and template.ask(spec, fds):
                return template
        return None

    # --- a reload, from its beginning to its end -----------------------------------------------

    def begin(self, boot: messages.Boot, within_s: float, now: float) -> None:
        """Import code beside the code in force. Instead of an import that goes on, after a roll."""
        at = self._reload
        if at and at.rolling:
            self._next = boot, within_s
            self._ways.log.info(Event.RELOAD_LATER)
            return
        if at:
            self._retire(at.template)
        template, self.refused = self._add(boot), None
        self._reload = Reload(template, now, now + within_s)
        modules = ", ".join(boot.imports)
        self._ways.log.info(Event.RELOAD_BEGUN, modules=modules, generation=template.generation)

    def imported(self, template: Template, ready: messages.TemplateReady) -> None:
        """Note that a template can fork: with code that is new, the roll begins."""
        template.ready, template.jobs = True, ready.jobs
        template.app_version, template.code = ready.app_version, ready.code
        told = msgspec.structs.asdict(ready)
        names, told["generation"] = told.pop("jobs"), template.generation
        left: dict[str, str] = told.pop("left")
        classes = counted(len(names), "job class", "job classes")
        told["message"] = f"job code imported in {ready.took_s} s: {classes}"
        if template.failures:
            told["failures"] = template.failures
            told["message"] += f", after {counted(template.failures, 'failure', 'failures')}"
        template.failures, template.told = 0, ""
        self._ways.log.info(Event.TEMPLATE_READY, jobs=len(names), job_names=names, **told)
        for module, what in left.items():
            self._ways.log.warning(Event.TEMPLATE_UNSAFE, module=module, left=what)
        if self._is_new(template):
            assert self._reload
            self._reload.rolling = True

    def failed(self, template: Template, error: str, stack: str) -> None:
        """Note why an import did not succeed; told at the template's end, which follows."""
        template.why = error, stack

    def _tell_failure(self, template: Template, why: tuple[str, str], delay_s: float | None) -> str:
        """Say why an import failed, its stack only where the reason is a new one; give the reason.

        ``delay_s``: until the next try; None where there is none.
        """
        error, stack = why
        template.failures += 1
        facts: dict[str, object] = {"failures": template.failures}
        if delay_s is not None:
            when = f"in {delay_s} s, at once on SIGHUP" if delay_s else "now"
            facts["delay_s"] = delay_s
            text = f"job code can't be imported: {error}; failure {template.failures}"
            facts["message"] = f"{text}, next try {when}"
        if stack and error != template.told:
            facts["traceback"] = _BELOW_IT.sub("", stack)
        template.told = error
        about = {"error": error, "generation": template.generation}
        self._ways.log.error(Event.TEMPLATE_FAILED, **about, **facts)
        return error

    def ended(self, template: Template, how: str, tail: list[str], now: float) -> bool:
        """Note a template's end; tell whether that has yet to be told, as it was in service."""
        was_ready, template.ready = template.ready, False
        if template.dismissed:
            self._programs.templates.remove(template)
            return False
        if not was_ready:
            template.credit.forfeit(now)  # an import that fails late must not earn a restart
        template.ready_at = now + template.credit.charge(now)
        if not was_ready:  # without a word where it had no time for one
            why = template.why or (f"the process ended: {how}", "\n".join(tail))
            template.why = None
            new = self._is_new(template)
            wait_s = None if new else round(template.ready_at - now, 1)
            error = self._tell_failure(template, why, wait_s)
            if new:
                self._fail(template, Refused(f"its import failed: {error}"))
            return False
        if self._is_new(template) and self._too_often():
            self._fail(template, Refused(f"its template {how}, the third time in a roll"))
        return not template.dismissed

    def _too_often(self) -> bool:
        """Count an end of the new template in a roll; tell whether it can't go on so."""
        assert self._reload
        self._reload.ends += 1
        return self._reload.ends >= MOST_ENDS

    def served(self, template: Template, runner: str) -> None:
        """Note that a runner which is gone had made a claim: by new code, it has taken that."""
        if self._is_new(template):
            assert self._reload
            self._reload.taken.add(runner)

    def died_young(self, template: Template, runner: str, pid: int) -> None:
        """Note that a runner died before its first claim: that proves new code bad."""
        if self._is_new(template):
            why = Refused(f"{runner} (pid {pid}) died before its first claim", runner)
            self._fail(template, why, runner=runner, runner_pid=pid)

    def not_forked(self, template: Template, why: str) -> None:
        """Note that no runner could be forked."""
        if self._is_new(template):
            self._fail(template, Refused(f"a runner could not be forked: {why}"))

    def _is_new(self, template: Template) -> bool:
        at = self._reload
        return at is not None and at.template is template and not at.failed

    def _fail(self, template: Template, why: Refused, **facts: object) -> None:
        """Take new code back: runners that have it return to the old one, as they came."""
        at = self._reload
        assert at is not None
        new = {"generation": template.generation, "app_version": template.app_version}
        self._ways.log.error(Event.RELOAD_FAILED, error=why.error, **new, **facts)
        self._retire(template)
        self.refused = why
        at.failed = True
        if not at.rolling:
            self._reload = None

    def _retire(self, template: Template) -> None:
        """End a template for good: nobody is to be born of it any more."""
        template.dismiss()
        if not template.running and template in self._programs.templates:
            self._programs.templates.remove(template)

    def look(self, seats: list[Seat], now: float) -> None:
        """Bound an import; tell how far a roll is, and that it is over. ``seats``: all wanted."""
        at = self._reload
        if at is None:
            self._begin_next(now)
        elif not at.rolling:
            self._bound(at, now)
        else:
            self._follow(at, seats, now)

    def _begin_next(self, now: float) -> None:
        if self._next:
            (boot, within_s), self._next = self._next, None
            self.begin(boot, within_s, now)

    def _bound(self, at: Reload, now: float) -> None:
        """End an import that takes too long; its stack is asked for first, as output lines."""
        template = at.template
        if now < at.import_by:
            return
        if template.pid and at.dumped_at is None:
            at.dumped_at = now
            children.send_signal(template.pid, linux.DUMP_SIGNAL)
        elif at.dumped_at is None or now - at.dumped_at >= STACK_WITHIN_S:
            error = f"its import took over {at.import_by - at.begun_at:g} s"
            tail = list(template.output.tail) if template.output else []
            self._tell_failure(template, (error, "\n".join(tail)), None)
            self._fail(template, Refused(error))

    def _follow(self, at: Reload, seats: list[Seat], now: float) -> None:
        if not at.failed:
            for seat in seats:
                self._note_taken(at, seat, len(seats))
        if any(self._is_mixed(seat) for seat in seats):
            return
        took_s = round(now - at.begun_at, 3)
        if at.failed:
            self._ways.log.info(Event.RELOAD_UNDONE, took_s=took_s)
            self._reload = None
        elif all(seat.runner in at.taken for seat in seats):
            before, self.in_force = self.in_force, at.template
            self._retire(before)
            new = {"generation": at.template.generation, "app_version": at.template.app_version}
            self._ways.log.info(Event.RELOAD_DONE, runners=len(seats), took_s=took_s, **new)
            self._reload = None

    def _is_mixed(self, seat: Seat) -> bool:
        """Whether a seat runs, or would run next, other code than is wanted."""
        codes = {seat.generation, seat.life.template.generation if seat.life else seat.generation}
        return codes != {self.wanted}

    def _note_taken(self, at: Reload, seat: Seat, runners: int) -> None:
        life = seat.life
        if not (life and life.pid):  # its birth is told first
            return
        if life.template is at.template and life.served and seat.runner not in at.taken:
            at.taken.add(seat.runner)
            facts = {"rolled": len(at.taken), "runners": runners}
            self._ways.log.info(Event.RELOAD_ROLLED, runner=seat.runner, **facts)
