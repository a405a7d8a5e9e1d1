"""What stands between the host's call and the handler."""

import asyncio
import logging
import sys
from dataclasses import dataclass
from types import ModuleType
from typing import Any
from unittest import mock

from jackfield import AccessDenied, Context, Event, Failure, Output, Rejected, _host, _rt, handler
from jackfield._logging import HostHandler

from .host import HostTest, config, err, kv, log, raw, run, types


@dataclass
class Request:
    """What is asked for."""

    number: str


class Handling(HostTest):
    """One event."""

    def answer(self, function: Any, data: bytes = b"", **attributes: Any) -> Any:
        """What the host gets."""
        return _rt.handle(handler(function), raw(data, **attributes), types)

    def test_an_answer_is_handed_over(self) -> None:
        def on_event(event: Event[Request], cx: Context) -> Output:
            return Output.json({"got": event.data.number}, status=201, headers={"x-a": "b"})

        output = self.answer(on_event, b'{"number":"FR-1042"}')
        self.assertEqual(output, types.Output(201, "application/json", [("x-a", "b")], b'{"got":"FR-1042"}'))

    def test_nobody_has_to_answer_or_take_the_context(self) -> None:
        def on_event(event: Event[None]) -> None:
            self.assertIsNone(event.data)

        self.assertIsNone(self.answer(on_event, b"\x1f"))

    def test_data_that_does_not_fit_is_rejected(self) -> None:
        def on_event(event: Event[Request]) -> None:
            raise AssertionError("called")

        with self.assertRaises(Rejected) as caught:
            self.answer(on_event, b"{}")
        self.assertEqual(
            str(caught.exception), "the event's data is not what the handler expects: missing field `number`"
        )

    def test_names_have_no_case_and_values_an_order(self) -> None:
        def on_event(event: Event[bytes]) -> Output:
            self.assertEqual((event.meta.get("method"), event.meta.get("y")), ("POST", None))
            self.assertEqual(event.meta.get_all("x"), ["1", "2"])
            return Output.bytes(event.data, "application/x")

        meta = [("Method", "POST"), ("x", "1"), ("X", "2")]
        self.assertEqual(self.answer(on_event, b"\xff", meta=meta).data, b"\xff")

    def test_an_async_handler_is_driven_to_its_end(self) -> None:
        async def on_event(event: Event[Any]) -> Output:
            await asyncio.sleep(0)
            return Output.text("ä")

        self.assertEqual(self.answer(on_event).data, "ä".encode())

        async def forever(event: Event[Any]) -> None:
            await asyncio.Event().wait()

        with self.assertRaisesRegex(Failure, "never ready"):
            self.answer(forever)

    def test_timers_and_tasks_run_beside_each_other(self) -> None:
        async def on_event(event: Event[Any]) -> Output:
            order: list[str] = []

            async def note(name: str, seconds: float) -> None:
                await asyncio.sleep(seconds)
                order.append(name)

            forgotten = asyncio.get_running_loop().create_task(note("forgotten", 60))
            await asyncio.gather(note("slow", 0.02), note("quick", 0))
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(note("too slow", 60), 0.001)
            self.assertFalse(forgotten.done())
            return Output.json(order)

        self.assertEqual(self.answer(on_event).data, b'["quick","slow"]')

    def test_an_async_handler_needs_no_event_loop(self) -> None:
        class Once:
            def __await__(self) -> Any:
                yield

        class Never:
            def __await__(self) -> Any:
                yield self

        async def once(event: Event[Any]) -> None:
            await Once()

        async def never(event: Event[Any]) -> None:
            await Never()

        without = {name: module for name, module in sys.modules.items() if name != "asyncio"}
        with mock.patch.dict(sys.modules, without, clear=True):
            self.assertIsNone(self.answer(once))
            with self.assertRaisesRegex(Failure, "never ready"):
                self.answer(never)

    def test_what_is_no_output_is_told(self) -> None:
        def on_event(event: Event[Any]) -> Any:
            return {"a": 1}

        with self.assertRaises(Failure) as caught:
            self.answer(on_event)
        self.assertFalse(caught.exception.retryable)

    def test_a_handler_that_cannot_be_called_is_told_when_it_is_imported(self) -> None:
        def none() -> None: ...
        def three(event: Event[Any], cx: Context, more: int) -> None: ...
        def keyword(event: Event[Any], *, cx: Context) -> None: ...
        def untyped(event: dict[str, Any]) -> None: ...
        def unreadable(event: Event[set[int]]) -> None: ...
        def unknown(event: "Event[Unknown]") -> None: ...  # type: ignore[name-defined]  # noqa: F821

        for wrong in (none, three, keyword, untyped, unreadable, unknown):
            with self.assertRaises(TypeError, msg=wrong):
                handler(wrong)


class Exporting(HostTest):
    """The class that the host calls."""

    def export(self, **contents: Any) -> Any:
        """The class for a module with these contents."""
        module = ModuleType("a_project")
        vars(module).update(contents)
        sys.modules["a_project"] = module
        self.addCleanup(sys.modules.pop, "a_project", None)
        return _rt.export("a_project", {})()

    def test_whatever_a_handler_raises_is_the_contracts_failure(self) -> None:
        from componentize_py_types import Err  # type: ignore[import-not-found]

        @handler
        def on_event(event: Event[Any]) -> None:
            sys.exit(event.data)

        exported = self.export(on_event=on_event, same=on_event)
        with self.assertRaises(Err) as caught:
            exported.handle(raw(b"3"))
        self.assertEqual(caught.exception.value.value.name, "SystemExit")
        with self.assertRaises(Err) as caught:
            exported.handle(raw(b"{"))
        self.assertIsInstance(caught.exception.value, types.Failure_Rejected)

    def test_a_module_has_one_handler(self) -> None:
        @handler
        def one(event: Event[Any]) -> None: ...
        @handler
        def two(event: Event[Any]) -> None: ...

        with self.assertRaisesRegex(TypeError, "has no handler"):
            self.export()
        with self.assertRaisesRegex(TypeError, "2 handlers"):
            self.export(one=one, two=two)


class Capabilities(HostTest):
    """The context."""

    def test_kv_speaks_json_and_bytes(self) -> None:
        store = Context().kv
        get = self.answers(kv, "get", kv.Entry(b"[1,2]", "v"))
        self.assertEqual(store.get("k"), [1, 2])
        self.assertEqual(store.get("k", bytes), b"[1,2]")
        self.assertEqual(store.connection("redis").entry("k", list).version, "v")  # type: ignore[union-attr]
        self.assertEqual(get.call_args.args, ("redis", "k"))
        with self.assertRaises(Failure) as caught:
            store.get("k", int)
        self.assertEqual((caught.exception.name, "`k`" in str(caught.exception)), ("stored-value", True))
        written = self.answers(kv, "set", None)
        store.set("k", Request("1"), ttl=0.5)
        self.assertEqual(written.call_args.args, ("default", "k", b'{"number":"1"}', 1))
        store.set_bytes("k", b"\xff")
        self.assertEqual(written.call_args.args, ("default", "k", b"\xff", None))

    def test_keys_come_page_by_page(self) -> None:
        pages = {None: kv.Page(["a", "b"], "x"), "x": kv.Page([], "y"), "y": kv.Page(["c"], None)}
        asked = self.answers(kv, "keys", lambda connection, prefix, cursor, limit: pages[cursor])
        names = Context().kv.keys("p/")
        self.assertEqual(next(names), "a")
        self.assertEqual(asked.call_count, 1)
        self.assertEqual(list(names), ["b", "c"])

    def test_a_batch_is_one_call(self) -> None:
        done = self.answers(kv, "batch", True)
        batch = Context().kv.batch().set("a", 1, ttl=2).remove("b").increment("c", 3).check("d", None)
        self.assertEqual(done.call_count, 0)
        self.assertTrue(batch.commit())
        expected = [
            kv.Operation_Set(kv.Assignment("a", b"1", 2)),
            kv.Operation_Remove("b"),
            kv.Operation_Increment(kv.Addition("c", 3)),
            kv.Operation_Check(kv.Condition("d", None)),
        ]
        self.assertEqual(done.call_args.args, ("default", expected))

    def test_a_setting_that_must_be_there(self) -> None:
        self.answers(config, "get", None)
        with self.assertRaises(Failure) as caught:
            Context().config.require("repository")
        self.assertEqual((caught.exception.name, caught.exception.retryable), ("missing-setting", True))
        self.assertIsNone(Context().config.json("n", int))
        self.answers(config, "get", "7")
        self.assertEqual(Context().config.json("n", int), 7)
        self.answers(config, "get", err(config.Error_AccessDenied("line")))
        with self.assertRaises(AccessDenied):
            Context().config.get("n")

    def test_the_run(self) -> None:
        info = run.RunInfo("i", 1, "k", "t", "n", "dev", "c", 3, "2026-01-01T00:00:00Z", None)
        self.answers(run, "current", info)
        self.answers(run, "remaining_ms", 17)
        self.assertEqual((Context().run().version, Context().remaining_ms()), (3, 17))

    def test_what_the_world_lacks_is_not_granted(self) -> None:
        self.patch(_host, "_interfaces", {**_host._interfaces, "kv": None})
        self.patch(_host.State, "component", "sync")
        with self.assertRaises(AccessDenied) as caught:
            Context().kv.get("k")
        self.assertIn("[component.sync.grants]", str(caught.exception))
        self.assertIn("kv = [{ prefix", str(caught.exception))

    def test_while_a_component_is_built_the_host_does_not_answer(self) -> None:
        self.patch(_host.State, "running", False)
        with self.assertRaisesRegex(Failure, "inside the handler"):
            Context().kv.get("k")


class Logging(HostTest):
    """The standard `logging` module."""

    def setUp(self) -> None:
        """A logger of its own."""
        super().setUp()
        self.write = self.answers(log, "write", None)
        self.logger = logging.Logger("project.part", logging.NOTSET)
        self.logger.addHandler(HostHandler())

    def test_levels_and_attributes(self) -> None:
        self.logger.info("opened %s", "FR-1042", extra={"issue": 7, "text": "\ud800"})
        attributes = [("issue", "7"), ("text", "?"), ("logger", "project.part")]
        self.assertEqual(self.write.call_args.args, (log.Level.INFO, "opened FR-1042", attributes))
        for number, name in ((5, "TRACE"), (10, "DEBUG"), (25, "INFO"), (30, "WARN"), (40, "ERROR"), (50, "ERROR")):
            self.logger.log(number, "x")
            self.assertEqual(self.write.call_args.args[0], log.Level[name])

    def test_an_exception_is_told_with_its_stack(self) -> None:
        try:
            int("x")
        except ValueError:
            self.logger.exception("no")
        attributes = dict(self.write.call_args.args[2])
        self.assertTrue(attributes["error"].startswith("ValueError: invalid literal"))
        self.assertIn("test_handler.py", attributes["stack"])

    def test_arguments_that_do_not_fit_lose_nothing(self) -> None:
        self.logger.info("a %s %s", 1)
        self.assertIn("a %s %s (1,)", self.write.call_args.args[1])
