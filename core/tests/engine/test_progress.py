"""What is shown of a run: silence, plain lines, and one bar at a time."""

import io

from burnish.engine.progress import Bars, Plain, Silent, display, heading


def test_silence_and_plain_lines(capsys):
    with Silent().stage("features", 3, "items") as advance:
        advance(3)
    Silent().say("hello")
    assert capsys.readouterr() == ("", "")
    out = io.StringIO()
    with Plain(out).stage("features", 1234, "items") as advance:
        advance(7)
    assert out.getvalue().startswith("features: 1,234 items in 0.")


def test_a_stage_inside_another_has_a_line_and_the_outer_bar_goes_on():
    out = io.StringIO()
    bars = Bars(out)
    with bars.stage("assessing", 2, "assessments") as advance:
        with bars.stage("deft", 5, "epochs") as inner:
            inner(5)
        advance(2)
    with bars.stage("training", 4, "trials") as advance:
        advance(4)
    text = out.getvalue()
    assert "deft: 5 epochs in" in text
    assert "2/2 assessments" in text
    assert "4/4 trials" in text
    assert "5/5 epochs" not in text


def test_a_stage_that_fails_leaves_the_next_its_bar():
    out = io.StringIO()
    bars = Bars(out)
    try:
        with bars.stage("training", 2, "trials"):
            raise ValueError
    except ValueError:
        pass
    with bars.stage("summary", 3, "rows"):
        pass
    assert "3/3 rows" in out.getvalue()


def test_stages_of_several_backbones_stand_under_a_short_line():
    assert heading(1, 1, "tiny") == ""
    assert heading(2, 3, "tiny:noise=0.3") == "backbone 2 of 3: tiny:noise=0.3"
    line = heading(1, 2, "openclip:weights=" + "x" * 100)
    assert len(line) < 80
    assert line.endswith("xxx...")


def test_quiet_is_silent_and_no_terminal_has_plain_lines():
    assert isinstance(display(quiet=True), Silent)
    assert isinstance(display(), Plain)
