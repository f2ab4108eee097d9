"""What the tables of the measurements say of a budget."""

from bench._figures import of_cost
from bench._pace import Paced
from bench._server import Cost


def paced(cpu_us: float, *, pace: float) -> Paced:
    """Return an operation's cost, on a machine where all takes so many times as long as on that of the budgets."""
    return Paced(Cost(cpu_us, [0.001, 0.002]), cpu_us / pace)


def test_a_budget_is_wider_on_a_slower_machine_and_narrower_on_a_faster_one() -> None:
    slow = of_cost("GET", paced(150, pace=2), budget=90)
    fast = of_cost("GET", paced(80, pace=0.5), budget=90)

    assert (slow.allowed, slow.is_missed) == (180, False)
    assert (fast.allowed, fast.is_missed) == (45, True)


def test_the_same_cost_as_a_bare_handler_is_one_whenever_either_was_measured() -> None:
    figure = of_cost("GET", paced(200, pace=2), bare=paced(50, pace=0.5))

    assert figure.to_bare == 1


def test_what_costs_too_many_times_a_bare_handler_has_missed_its_budget() -> None:
    figure = of_cost("GET", paced(80, pace=1), budget=90, bare=paced(30, pace=1), most_to_bare=2)

    assert figure.is_missed
    assert figure.line().endswith("MISSED")
