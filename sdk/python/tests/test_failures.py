"""What becomes of an exception."""

import sys
import urllib.error
from datetime import timedelta
from typing import Any

from jackfield import AccessDenied, Failure, HttpStatus, Quota, Rejected, TooLarge, Unavailable
from jackfield._stack import failure_of, frames, stack_of

from .host import HostTest, types


def caught(function: Any, *arguments: Any) -> BaseException:
    """What a function raises."""
    try:
        function(*arguments)
    except BaseException as raised:
        return raised
    raise AssertionError("nothing was raised")


def project(source: str) -> dict[str, Any]:
    """Functions of a project's file, as it lies in a component."""
    names: dict[str, Any] = {"__name__": "handler"}
    exec(compile(source, "/2/handler.py", "exec"), names)
    return names


class Failures(HostTest):
    """As the contract says them."""

    def info(self, raised: BaseException) -> Any:
        """The error's case."""
        failure = failure_of(raised, types)
        self.assertIsInstance(failure, types.Failure_Error)
        return failure.value

    def test_an_exception_has_its_class_text_and_a_second_chance(self) -> None:
        info = self.info(caught(int, "x"))
        self.assertEqual((info.name, info.retryable, info.retry_after_ms), ("ValueError", True, None))
        self.assertEqual(info.message, "invalid literal for int() with base 10: 'x'")

    def test_a_rejection_is_final_unless_somebody_says_otherwise(self) -> None:
        self.assertEqual(failure_of(Rejected("no"), types), types.Failure_Rejected("no"))
        info = self.info(Rejected("no", retry_after=2))
        self.assertEqual((info.name, info.retryable, info.retry_after_ms), ("rejected", True, 2000))

    def test_what_is_worth_another_attempt(self) -> None:
        for worth in (Failure, Unavailable, Quota):
            self.assertTrue(self.info(worth("x")).retryable, worth)
        for final in (AccessDenied, TooLarge):
            self.assertFalse(self.info(final("x")).retryable, final)
        self.assertEqual(self.info(HttpStatus("x", 429, retry_after=1)).retry_after_ms, 1000)
        self.assertFalse(self.info(HttpStatus("x", 404)).retryable)

    def test_names(self) -> None:
        class NotThere(Failure):
            pass

        self.assertEqual(self.info(Failure("x")).name, "Error")
        self.assertEqual(self.info(Failure("x", name="not-there")).name, "not-there")
        self.assertEqual(self.info(NotThere("x")).name, "NotThere")
        import binascii

        self.assertEqual(self.info(binascii.Error("x")).name, "binascii.Error")

    def test_delays_are_what_the_contract_can_say(self) -> None:
        self.assertEqual(self.info(Failure("x", retry_after=timedelta(minutes=1))).retry_after_ms, 60_000)
        self.assertEqual(self.info(Failure("x", retry_after=1e12)).retry_after_ms, 2**32 - 1)
        self.assertEqual(self.info(Failure("x", retry_after=-1)).retry_after_ms, 0)
        self.assertIsNone(self.info(Failure("x", retryable=False, retry_after=1)).retry_after_ms)

    def test_causes_are_told_once(self) -> None:
        def raises(text: str) -> None:
            try:
                int("x")
            except ValueError as cause:
                raise Failure(text) from cause

        told = "no number: invalid literal for int() with base 10: 'x'"
        self.assertEqual(self.info(caught(raises, "no number")).message, told)
        self.assertEqual(self.info(caught(raises, told)).message, told)

    def test_exit_is_a_failure(self) -> None:
        info = self.info(caught(sys.exit, 3))
        self.assertEqual(info.name, "SystemExit")
        self.assertIn("`sys.exit(3)`", info.message)

    def test_urllib_hides_nothing(self) -> None:
        info = self.info(urllib.error.URLError(AccessDenied("line")))
        self.assertEqual((info.name, info.message, info.retryable), ("access-denied", "line", False))
        for status, again in ((404, False), (503, True)):
            refused = urllib.error.HTTPError("http://x/", status, "no", None, None)  # type: ignore[arg-type]
            self.assertEqual(self.info(refused).retryable, again)
            refused.close()

    def test_text_that_cannot_be_sent_is_made_so(self) -> None:
        self.assertEqual(self.info(ValueError("a\ud800")).message, "a?")

        class Bad(Exception):
            def __str__(self) -> str:
                raise ValueError

        self.assertEqual(self.info(Bad()).message, "Bad")

    def test_a_module_that_was_not_built_in_is_told_so(self) -> None:
        info = self.info(caught(__import__, "no_such_module"))
        self.assertIn("import it at the top of a module", info.message)


class Stacks(HostTest):
    """As people read them."""

    def test_innermost_first_and_without_frames_of_the_sdk(self) -> None:
        from jackfield._data import dumps

        names = project("def outer(dumps):\n    inner(dumps)\n\ndef inner(dumps):\n    dumps(object())\n")
        lines = stack_of(caught(names["outer"], dumps)).splitlines()
        own = [line for line in lines if "json/" not in line and "tests/" not in line]
        self.assertEqual(own, ["at inner (src/handler.py:5)", "at outer (src/handler.py:2)"])

    def test_what_was_behind_it(self) -> None:
        source = (
            "def chained():\n    try:\n        int('x')\n    except ValueError as e:\n"
            "        raise KeyError('k') from e\n"
            "def during():\n    try:\n        int('x')\n    except ValueError:\n        raise KeyError('k')\n"
            "def hidden():\n    try:\n        int('x')\n    except ValueError:\n        raise KeyError('k') from None\n"
        )
        names = project(source)

        def told(name: str) -> list[str]:
            lines = stack_of(caught(names[name])).splitlines()
            return [line.split(":")[0] if " (" not in line else line for line in lines if "tests/" not in line]

        self.assertEqual(told("chained")[1:], ["caused by ValueError", "at chained (src/handler.py:3)"])
        self.assertEqual(told("during")[1:], ["while handling ValueError", "at during (src/handler.py:8)"])
        self.assertEqual(told("hidden"), ["at hidden (src/handler.py:15)"])

    def test_what_calls_itself_is_told_three_times(self) -> None:
        names = project("def again(n):\n    return again(n + 1) + 1\n")
        lines = [line for line in frames(caught(names["again"], 0).__traceback__) if "tests/" not in line]
        self.assertEqual(lines[:3], ["at again (src/handler.py:2)"] * 3)
        self.assertRegex(lines[3], r"^… \d+ times more …$")
        self.assertEqual(len(lines), 4)

    def test_a_deep_stack_keeps_its_ends(self) -> None:
        source = "".join(f"def f{n}():\n    f{n + 1}()\n" for n in range(200)) + "def f200():\n    int('x')\n"
        lines = frames(caught(project(source)["f0"]).__traceback__)
        self.assertEqual(len(lines), 51)
        self.assertEqual(lines[0], "at f200 (src/handler.py:402)")
        self.assertEqual(lines[40], "… 152 frames …")
        self.assertEqual(lines[49], "at f0 (src/handler.py:2)")

    def test_groups_tell_their_parts(self) -> None:
        raised = caught(lambda: (_ for _ in ()).throw(ExceptionGroup("two", [ValueError("a"), KeyError("b")])))
        self.assertIn("with ValueError: a", stack_of(raised).splitlines())
