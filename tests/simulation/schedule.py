"""A schedule: up to three days of processes that ingest, write, drain, compact and sync while everything goes wrong.

The rule: all is drawn from the seed, so a schedule that failed is run again by its number alone. After every call that product
code makes of a store, what may have changed is read and compared; in the end nothing goes wrong any more, everything comes to
rest, and every value must be exact.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from greenlet import GreenletExit, greenlet

from tests.simulation.checks import Checks, KeyTruth, WrongRead
from tests.simulation.lines import Broken, Killed, Odds
from tests.simulation.memory_redis import MemoryServer
from tests.simulation.processes import Process
from tests.simulation.temper import Temper, small_limits
from tests.simulation.views import FEW_CELLS, KINDS, SCHEDULES, kit
from tests.simulation.work import HOUR_US, MINUTE_US, SECOND_US, SPAN_US, USERS, Work, hours
from tests.simulation.world import World
from tilefold.engine.time import DAY_US, floor
from tilefold.errors import ReadTimeError, TilefoldError


@dataclass
class Job:
    """Work of a process that has begun; `wakes_us` is when it goes on."""

    process: Process
    run: greenlet
    name: str
    wakes_us: int = 0


@dataclass
class Schedule(Work):
    """One schedule, from its seed; of `kinds`, which views it draws from, where not from all."""

    seed: int
    kinds: Sequence[int] = range(KINDS)
    jobs: list[Job] = field(default_factory=list)
    history: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        chance = self.chance = Random(self.seed)
        odds = Odds(chance.choice([0.0, 0.003, 0.01, 0.05]), chance.choice([0.0, 0.005, 0.02]))
        self.temper = Temper.drawn(chance)
        self.world = World(chance, odds, chance.randint(1, 3), chance.choice([0, 60, 3600]))
        self.checks = Checks(self.world)
        self.users = USERS[: chance.randint(1, 3)]
        for number in chance.sample(self.kinds, min(len(self.kinds), chance.randint(1, 2))):
            self._declare(number)
        self.late_view = chance.choice([None, None, chance.choice(self.kinds)])
        self.processes: list[Process] = [Process(self.world, f"p{n}") for n in range(chance.randint(1, 5))]
        self.backups: list[tuple[MemoryServer, dict[bytes, KeyTruth]]] = []
        self.losses = 0

    # --- from beginning to end

    def run(self) -> int:
        """Run it; how many reads were compared. Raises `WrongRead`."""
        with small_limits(self.temper):
            while self.temper.steps and self.world.clock.passed_us < SPAN_US:
                self.temper.steps -= 1
                self._step()
            self._come_to_rest()
        return self.checks.reads

    def _step(self) -> None:
        chance, temper = self.chance, self.temper
        if chance.random() < 0.5:
            self._pass_time()
        if chance.random() < temper.clock_jumps:
            self._tell(f"the clock jumps, {self.jump()}")
        if self.late_view is not None and chance.random() < 0.1:
            self._declare(self.late_view)
            self.late_view = None
            self._deploy()
        if chance.random() < temper.losses:
            self._lose()
        self._begin_jobs()
        for _ in range(chance.choice([5, 20, 80])):
            if not self._resume():
                break

    def jump(self) -> int:
        """Set the clock back, or forth and later back."""
        by_us = -self.chance.randint(1, 2 * HOUR_US)
        self.world.clock.jump(by_us)
        return by_us

    def _begin_jobs(self) -> None:
        chance, temper = self.chance, self.temper
        kinds: list[tuple[float, Callable[[Process], tuple[str, Callable[[], None]]]]] = [
            (0.8, self._ingest),
            (0.3, self._write),
            (0.3, self._drain),
            (temper.compactions, self._materialize),
            (temper.compactions / 2, self._materialize),
            (temper.appends, self._append),
        ]
        for odds, make in kinds:
            idle = [each for each in self.processes if not any(job.process is each for job in self.jobs)]
            if idle and chance.random() < odds:
                process = chance.choice(idle)
                name, work = make(process)
                self._tell(f"{process.name} begins to {name}")
                self.jobs.append(Job(process, greenlet(self._guarded(work)), name))

    # --- what happens around them

    def _declare(self, number: int) -> None:
        """A view is there from here on; processes know it from when they are started."""
        chance = self.chance
        made = kit(number, chance.choice(SCHEDULES), chance.choice(FEW_CELLS))
        if made.view.name in self.world.compactions:
            return
        self._tell(f"{made.view.name} is declared")
        self.world.kits.append(made)
        self.world.compactions[made.view.name] = {}
        self.checks.add(made, self.users)

    def _lose(self) -> None:
        """The online store's server is started again, and is empty or holds what it held some time ago."""
        server = self.world.server
        self.losses += 1
        if self.backups and self.chance.random() < 0.8:
            held, known = self.chance.choice(self.backups)
            self.backups = self.backups[: self.backups.index((held, known)) + 1]
            self._tell("the online store comes back older")
        else:
            held, known = MemoryServer(self.world.clock.milliseconds), {}
            self.backups.clear()
            self._tell("the online store is lost")
        server.take_over(held)
        server.notes.clear()
        self.checks.restored(known)
        self._look(self.checks.everything())

    def _keep_backup(self) -> None:
        if self.temper.losses and self.chance.random() < 0.1:
            self.checks.written()
            self.backups = [*self.backups[-3:], (self.world.server.saved(), self.checks.saved())]

    def _deploy(self) -> None:
        """Start all processes anew: they know all views from here on."""
        for job in self.jobs:
            job.run.throw(GreenletExit)
        self.jobs.clear()
        self.processes = [Process(self.world, each.name) for each in self.processes]

    def _pass_time(self) -> None:
        chance, clock = self.chance, self.world.clock
        by_us = chance.choice([chance.randint(1, SECOND_US), chance.randint(1, 10 * MINUTE_US), chance.randint(1, 6 * HOUR_US)])
        if chance.random() < 0.3:
            grid_us = chance.choice([HOUR_US, 90 * MINUTE_US, 6 * HOUR_US])
            by_us = max(1, floor(clock.now_us + by_us, grid_us) + chance.choice([-1, 0, 1]) - clock.now_us)
        clock.move(by_us)
        self._tell(f"it is {hours(clock.now_us)}")
        self._look(self.checks.everything())

    def _resume(self) -> bool:
        """Let one job go on to its next call of a store; whether there was one."""
        ready = [job for job in self.jobs if job.wakes_us <= self.world.clock.passed_us]
        if not ready:
            return False
        job = self.chance.choice(ready)
        outcome = job.run.switch()
        if job.run.dead:
            self._tell(f"{job.process.name}: {outcome or 'done'} ({job.name})")
            self.jobs.remove(job)
            if outcome == "killed":
                self._restart(job.process)
        elif self.chance.random() < self.temper.sleepers:
            job.wakes_us = self.world.clock.passed_us + self.chance.randint(1, 8 * HOUR_US)
        self._look(sorted(self.checks.written()))
        self._keep_backup()
        return True

    def _restart(self, process: Process) -> None:
        self.processes[self.processes.index(process)] = Process(self.world, process.name)

    def _guarded(self, work: Callable[[], None]) -> Callable[[], str]:
        def run() -> str:
            try:
                work()
            except Killed:
                return "killed"
            except (TilefoldError, Broken) as error:
                return f"failed: {error}"
            return ""

        return run

    def _look(self, keys: list[bytes]) -> None:
        try:
            self.checks.look(keys)
        except ReadTimeError:
            self._tell("a read before the watermark is refused")

    # --- the end

    def _come_to_rest(self) -> None:
        """Kill what still runs, let nothing go wrong any more, and bring everything up to date."""
        for job in self.jobs:
            job.run.throw(GreenletExit)
        clock, world = self.world.clock, self.world
        world.odds = Odds()
        newest_us = max([event.time_us for event in world.events] + [clock.now_us])
        clock.move(newest_us - clock.now_us + DAY_US + 1)
        process = Process(world, "last")
        self._tell("everything comes to rest")
        for own in world.kits:
            process.materialize(own, floor(clock.now_us, own.view.schedule_us))
            self._look(sorted(self.checks.written()))
        clock.move(2 * SECOND_US)
        while process.desk.writer.step().entries:
            pass
        self._look(sorted(self.checks.written()))
        self.checks.finish()

    def _tell(self, what: str) -> None:
        self.history.append(what)


def run(seed: int, kinds: Sequence[int] = range(KINDS)) -> int:
    """Run a schedule, of these kinds of views; how many reads were compared.

    Raises
    ------
    WrongRead
        With the seed and what happened.
    """
    schedule = Schedule(seed, kinds)
    try:
        return schedule.run()
    except Exception as error:
        told = "\n".join(schedule.history)
        raise WrongRead(f"{told}\nseed {seed}: {error}") from error
