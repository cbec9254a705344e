"""Targets as they arrive: what both clients promise of `iter_deployment_targets`."""

from __future__ import annotations

import itertools
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import Any

import pytest
from support.clients import Clients, MakeClient, got
from support.clock import Clock
from support.codedeploy import LIST, MISSING, PATIENCE, READ, CodeDeploy, Hang, Step, wait_until
from support.endpoint import Response, error, unanswered
from support.pages import ids, instance

REFUSED = error("DeploymentDoesNotExistException")


def test_a_whole_deployment_is_listed_and_got(make_client: MakeClient) -> None:
    codedeploy = CodeDeploy(known=130, page_size=40)
    client = make_client(codedeploy)
    filters = {"TargetStatus": ["Succeeded"]}
    assert got(client.iterate(targetFilters=filters)) == ids(130)
    assert [params["targetFilters"] for params in codedeploy.asked(LIST)] == [filters] * 4
    assert sorted(map(len, codedeploy.batches)) == [5, 25, 25, 25, 25, 25]
    assert got(client.iterate(targetFilters={"TargetStatus": ["Failed"]})) == []
    assert got(client.iterate()) == ids(130)
    assert "targetFilters" not in codedeploy.asked(LIST)[-1]
    targets = client.iterate()
    assert got(itertools.islice(targets, 30)) == ids(30)
    targets.close()
    assert list(targets) == []
    assert list(make_client(lambda *_: Response(b"{}")).iterate()) == []


def test_filters_cannot_go_with_ids(clients: Clients) -> None:
    client = clients.canned(unanswered)
    either: list[Any] = [{"TargetStatus": ["Failed"]}, {"TargetStatus": []}, {}]
    for filters in either:
        with pytest.raises(TypeError, match=r"^targetFilters .* cannot go with them$"):
            client.iterate([], targetFilters=filters)


def test_nothing_is_read_or_called_before_the_first_next(clients: Clients) -> None:
    client = clients.canned(unanswered)
    read = iter(ids(60))
    never_begun = [client.iterate(read), client.iterate(), client.watch()]
    clients.pause(0.05)
    assert next(read) == ids(1)[0]
    for targets in never_begun:
        assert targets.missing_target_ids == []
        targets.close()
        assert list(targets) == []


def test_a_list_of_ids_may_be_changed_before_it_is_read(clients: Clients) -> None:
    given = ids(60)
    targets = clients.canned(CodeDeploy()).iterate(given)
    given.clear()
    assert got(targets) == ids(60)


@pytest.mark.parametrize("own_kind", [True, False])
def test_a_slow_consumer_holds_back_calls_and_ids(clients: Clients, *, own_kind: bool) -> None:
    read = []

    def produce() -> Iterator[str]:
        for target_id in ids(1_000):
            read.append(target_id)
            yield target_id

    codedeploy = CodeDeploy()
    codedeploy.gather(3)
    producer = clients.each(produce()) if own_kind else produce()
    targets = clients.served(codedeploy, max_concurrency=3).iterate(producer)
    assert read == []
    assert next(targets).target_id == ids(1)[0]
    clients.pause(0.1)
    assert (len(codedeploy.batches), len(read)) == (3, 75)
    assert got(itertools.islice(targets, 25)) == ids(26)[1:]
    clients.pause(0.1)
    # The sync client yields what is ready before it reads on, which it may do in the middle of a
    # fourth batch.
    assert len(codedeploy.batches) in (3, 4)
    assert 25 * len(codedeploy.batches) <= len(read) <= 100
    assert got(targets) == ids(1_000)[26:]


@pytest.mark.parametrize("max_concurrency", [2, 8])
def test_a_slow_page_holds_back_no_target(clients: Clients, max_concurrency: int) -> None:
    go_on = threading.Event()

    def wait(operation: str, params: dict[str, Any]) -> None:
        if operation == LIST and "nextToken" in params:
            assert go_on.wait(PATIENCE)

    codedeploy = CodeDeploy(known=130, page_size=40, before=wait)
    targets = clients.served(codedeploy, max_concurrency=max_concurrency).iterate()
    # Those of a batch that is not full come, too.
    assert got(itertools.islice(targets, 40)) == ids(40)
    go_on.set()
    assert got(targets) == ids(130)[40:]


def test_the_ids_of_an_sqlite_cursor_are_read_in_the_callers_thread(clients: Clients) -> None:
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("create table wanted (id)")
        database.executemany("insert into wanted values (?)", [(each,) for each in ids(300)])
        cursor = database.execute("select id from wanted")
        cursor.row_factory = lambda _, row: row[0]
        assert got(clients.served(CodeDeploy()).iterate(cursor)) == ids(300)


def test_ids_that_the_consumer_feeds_need_max_concurrency_1(clients: Clients) -> None:
    fed = deque(ids(25))

    def produce() -> Iterator[str]:
        while fed:
            yield fed.popleft()

    targets = clients.canned(CodeDeploy(), max_concurrency=1).iterate(clients.each(produce()))
    more, seen = iter(ids(100)[25:]), []
    for target in targets:
        seen.append(target.target_id)
        fed.extend(itertools.islice(more, 1))
    assert seen == ids(100)


def test_the_listing_goes_no_further_than_the_calls_need(clients: Clients) -> None:
    codedeploy = CodeDeploy(page_size=40)
    codedeploy.gather(3, READ)
    targets = clients.served(codedeploy, max_concurrency=3).iterate()
    assert next(targets).target_id == ids(1)[0]
    clients.pause(0.05)
    # The 80 ids of two pages are enough for three batches.
    assert (len(codedeploy.batches), len(codedeploy.asked(LIST))) == (3, 2)
    targets.close()


def test_a_slow_consumer_does_not_hold_back_the_listing(clients: Clients) -> None:
    codedeploy = CodeDeploy(page_size=50)
    targets = clients.served(codedeploy).iterate()
    for _ in range(5):
        assert len(got(itertools.islice(targets, 25))) == 25
        clients.wait_until(lambda: not clients.under_way())  # all that is under way has ended
    # These need three pages; the others were asked for while targets were ready.
    assert len(codedeploy.asked(LIST)) >= 5
    targets.close()


@pytest.mark.parametrize("max_concurrency", [1, 2])
@pytest.mark.parametrize("given", ["a list", "an iterator"])
def test_no_batch_is_lost_behind_a_job_that_has_just_ended(
    clients: Clients, max_concurrency: int, given: str
) -> None:
    client = clients.canned(CodeDeploy(), max_concurrency=max_concurrency)
    for _ in range(5):
        target_ids = ids(200) if given == "a list" else clients.each(ids(200))
        assert got(client.iterate(target_ids)) == ids(200)


@pytest.mark.parametrize("how", ["batch_get", "iterate"])
@pytest.mark.parametrize("refused", [0, 2])
def test_the_first_failed_batch_is_raised_after_the_targets_before_it_and_ends_the_others(
    clients: Clients, how: str, refused: int
) -> None:
    all_sent, release = threading.Barrier(4), threading.Event()
    has_ended: dict[int, Callable[[], bool]] = {}

    def position_of(params: Any) -> int:
        return ids(1000).index(params["targetIds"][0]) // 25

    def note_job(params: Any, **_: Any) -> None:
        has_ended[position_of(params)] = clients.end_of_job()

    def before(_: str, params: dict[str, Any]) -> Response | None:
        position = position_of(params)
        all_sent.wait(PATIENCE)
        if position and not refused:  # calls that hang are not waited for
            release.wait(PATIENCE)
            return error(MISSING)
        if position > refused:  # the first one to fail, though not the first in order
            return error("DeploymentNotStartedException")
        if refused:
            wait_until(has_ended[3])
        return REFUSED if position == refused else None

    codedeploy, read = CodeDeploy(before=before), iter(ids(1000))
    client = clients.served(codedeploy, max_concurrency=4)
    client.on("before-parameter-build", note_job)
    if how == "iterate":
        targets = client.iterate(read, skip_missing=True)
        assert got(itertools.islice(targets, refused * 25)) == ids(refused * 25)
        with pytest.raises(client.exceptions.DeploymentDoesNotExistException):
            next(targets)
        assert list(targets) == []
        assert next(read) in ids(151)
    else:
        with pytest.raises(client.exceptions.DeploymentDoesNotExistException):
            client.batch_get(read, skip_missing=True)
    # Nothing more is sent; nor is a batch split for which nobody waits.
    release.set()
    clients.no_thread_is_left()
    assert len(codedeploy.batches) == 4


@pytest.mark.parametrize("answer", [None, REFUSED], ids=["targets", "an error"])
def test_what_is_ready_comes_before_the_next_id_is_read(answer: Response | None) -> None:
    def produce() -> Iterator[str]:
        yield from ids(25)
        for target_id in ids(50)[25:]:
            read.append(target_id)
            reading.set()
            clients.no_thread_is_left()  # the call ends while this id is read
            yield target_id

    def wait(*_: object) -> None:
        assert reading.wait(PATIENCE)

    read, reading = list[str](), threading.Event()
    with Clients() as clients:
        client = clients.canned(CodeDeploy(before=wait, instead={READ: [answer]}))
        with suppress(client.exceptions.DeploymentDoesNotExistException):
            assert next(client.iterate(produce())).target_id == ids(1)[0]
    assert read == ids(26)[25:]


def test_ids_that_take_longer_to_read_than_a_call_takes_are_not_read_ahead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def produce() -> Iterator[str]:
        clock.set_forward(PATIENCE)
        for target_id in ids(50):
            read.append(target_id)
            yield target_id

    read, clock = list[str](), Clock()
    monkeypatch.setattr("time.monotonic", clock.monotonic)
    with Clients() as clients:
        client = clients.canned(CodeDeploy(delay=0.1))
        assert next(client.iterate(produce())).target_id == ids(1)[0]
    assert read == ids(25)


def test_an_error_of_a_listing_comes_after_the_targets_that_it_listed(clients: Clients) -> None:
    codedeploy = CodeDeploy(known=60, page_size=20, instead={LIST: [None, REFUSED]})
    client = clients.canned(codedeploy)
    targets = client.iterate()
    assert got(itertools.islice(targets, 20)) == ids(20)
    with pytest.raises(client.exceptions.DeploymentDoesNotExistException):
        next(targets)


def test_a_page_that_hangs_hides_no_failed_batch(clients: Clients) -> None:
    def before(operation: str, params: dict[str, Any]) -> Response | None:
        if "nextToken" in params:
            page()
        if operation == LIST:
            return None
        page.wait_for()
        return REFUSED

    page = Hang()
    client = clients.served(CodeDeploy(known=50, page_size=25, before=before))
    with pytest.raises(client.exceptions.DeploymentDoesNotExistException):
        list(client.iterate())
    page.let_go()


@pytest.mark.parametrize("max_concurrency", [1, 2, 8])
@pytest.mark.parametrize("count", [0, 100])
def test_the_error_of_the_ids_comes_after_the_targets_before_it(
    clients: Clients, max_concurrency: int, count: int
) -> None:
    def produce() -> Iterator[str]:
        yield from ids(count)
        raise KeyError("of the producer")

    client = clients.served(CodeDeploy(), max_concurrency=max_concurrency)
    targets = client.iterate(produce())
    assert got(itertools.islice(targets, count)) == ids(count)
    with pytest.raises(KeyError, match="of the producer"):
        next(targets)
    assert list(targets) == []
    with pytest.raises(KeyError, match="of the producer"):
        client.batch_get(produce())


def test_a_generator_of_ids_ends_with_its_stream(clients: Clients) -> None:
    def produce() -> Iterator[str]:
        try:
            yield from ids(1000)
        finally:
            ended.append(True)

    ended: list[bool] = []
    targets = clients.canned(CodeDeploy()).iterate(produce())
    next(targets)
    targets.close()
    assert ended == [True]


def test_missing_target_ids_grows_as_the_targets_arrive(clients: Clients) -> None:
    missing = [ids(100)[position] for position in (3, 24, 25, 60, 99)]
    step = Step("InProgress", [instance(each) for each in ids(100)], frozenset(missing))
    client = clients.canned(CodeDeploy(step))
    targets = client.iterate(ids(100))
    assert targets.missing_target_ids == []
    seen = []
    for target in targets:
        batch = ids(100).index(target.target_id) // 25
        assert targets.missing_target_ids == [
            each for each in ids(100)[: (batch + 1) * 25] if each in missing
        ]
        seen.append(target.target_id)
    assert targets.missing_target_ids == missing == client.batch_get(ids(100)).missing_target_ids
    assert seen == [target_id for target_id in ids(100) if target_id not in missing]


def test_missing_target_ids_stays_after_a_failure(clients: Clients) -> None:
    step = Step("InProgress", [instance(each) for each in ids(50)], frozenset(ids(1)))
    codedeploy = CodeDeploy(step, instead={READ: [None, REFUSED]})
    client = clients.canned(codedeploy, max_concurrency=1)
    targets = client.iterate(ids(50))
    assert got(itertools.islice(targets, 24)) == ids(25)[1:]
    with pytest.raises(client.exceptions.DeploymentDoesNotExistException):
        next(targets)
    targets.close()
    assert targets.missing_target_ids == ids(1)


def test_a_second_thread_or_task_is_refused_and_nothing_is_lost(clients: Clients) -> None:
    codedeploy = CodeDeploy(known=60)
    hang = codedeploy.hang(READ)
    targets = clients.served(codedeploy).iterate(ids(60))
    first = clients.start_next(targets)
    clients.wait_until(lambda: len(codedeploy.batches) == 3)
    shared = getattr(targets, "unblocked", targets)
    says = "^another task waits for the next target already$|^generator already executing$"
    with pytest.raises((ValueError, RuntimeError), match=says):
        clients.at_once([lambda: clients.collect(shared)])
    hang.let_go()
    assert first().target_id == ids(1)[0]
    assert got(targets) == ids(60)[1:]


@pytest.mark.parametrize("error", [KeyError, GeneratorExit, pytest.skip.Exception])
def test_what_the_ids_raise_ends_the_stream(clients: Clients, error: type[BaseException]) -> None:
    def produce() -> Iterator[str]:
        yield from ids(30)
        raise error("of the producer")

    with pytest.raises(error, match="of the producer"):
        got(clients.canned(CodeDeploy()).iterate(produce()))
