"""Messages stay sentences, whatever a stranger's file makes them repeat."""

import pickle

import pytest

from tickets.errors import LONGEST, DamagedTicketError, UserError, unknown


@pytest.mark.parametrize("error", [UserError, DamagedTicketError])
@pytest.mark.parametrize("value", ["x" * 10**5, "x " * 10**5, "'" + "9" * 10**5 + "', " + "y" * 10**5, "\n" * 10**5])
def test_a_message_is_no_page_and_ends_with_what_to_do(error, value):
    said = str(error(f"one.json says {value}; give a number."))
    assert len(said) <= LONGEST
    assert said.startswith("one.json says ") and said.endswith(" give a number.")


def test_what_a_person_would_read_is_told_whole():
    text = " ".join(f"unknown task 'task{number}'." for number in range(70))
    assert str(UserError(text)) == text and len(text) < LONGEST
    assert "alpha, beta" in str(unknown("task", "a" * 10**5, ["alpha", "beta"]))


def test_an_error_goes_to_another_process_as_it_is():
    error = UserError("x" * 10**5 + " is wrong.")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
