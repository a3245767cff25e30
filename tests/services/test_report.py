"""The page of a sweep, also in a browser."""

import itertools
import json
import os
import shutil

import pytest

from dmft.cli import main
from dmft.report import page as module
from dmft.report.page import report
from dmft.sweep import Folder, collect, execute
from dmft.sweep.recipe import read

RECIPE = """
[model]
p = 3
delta_p = 1.0
[run]
m0 = 0.1
t_end = 5
method = "gradient_descent"
step = 0.1
[axes]
inv_delta_2 = [1.0, 2.0, 3.5]
"""
Z = (
    "claim,quantity,t,theory,mean,standard_error,z\na,m,1,0.1,0.2,0.1,1\nb,e,1,0.1,0.1,nan,nan\n"
    "c,m,,0.1,0.2,0.1,1\n"
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    here = tmp_path_factory.mktemp("report")
    (here / "sweep.toml").write_text(RECIPE)
    folder = Folder(here / "runs")
    folder.prepare()
    jobs = read(here / "sweep.toml").jobs()
    assert execute(jobs, folder, progress=False).done == 3
    (here / "z.csv").write_text(Z)
    report(here / "runs", here / "page.html", simulation=here / "z.csv", progress=False)
    return here


def test_page_holds_everything(runs):
    text = (runs / "page.html").read_text()
    for line in Folder(runs / "runs").lines().values():
        assert line.name in text
    for word in (
        "Phase diagram, p = 3",
        "Dynamics of each run",
        "How to cite",
        "@article",
        "numba",
    ):
        assert word in text
    assert "Theory against simulation" in text


def test_mixtures_and_many_runs(tmp_path, monkeypatch):
    (tmp_path / "sweep.toml").write_text(
        "[run]\nm0 = 0\nt_end = 2\nmethod = 'gradient_descent'\nstep = 0.1\n[axes]\n"
        "points = [{delta_3 = 1}, {delta_3 = 2}, {delta_3 = 3}]\n"
    )
    folder = Folder(tmp_path / "runs")
    folder.prepare()
    execute(read(tmp_path / "sweep.toml").jobs(), folder, progress=False)
    monkeypatch.setattr(module, "MOST_RUNS", 2)
    monkeypatch.setattr(module, "MOST_ROWS", 2)
    page = report(folder.path, tmp_path / "page.html", progress=False)
    text = page.read_text()
    assert "Phase diagram" not in text
    assert "2 of 3 runs" in text
    assert "The first 2 of 3" in text


def test_runs_of_several_systems_in_one_folder(runs, tmp_path):
    """Each system has its own figures; the table has the columns of both."""
    shutil.copytree(runs / "runs", tmp_path / "runs")
    (tmp_path / "other.toml").write_text(
        "[model]\nsystem = 'generative'\nalpha = 0.5\n[axes]\ndelta = [0.4, 0.8]\n"
    )
    execute(read(tmp_path / "other.toml").jobs(), Folder(tmp_path / "runs"), progress=False)
    text = report(tmp_path / "runs", tmp_path / "page.html", progress=False).read_text()
    for heading in (
        "Spiked matrix-tensor model: Phase diagram, p = 3",
        "Spiked matrix-tensor model: Dynamics of each run",
        "Spiked matrix with a generative prior: Mean square error against the noise",
        "Spiked matrix with a generative prior: Dynamics of each run",
    ):
        assert f"<h2>{heading}</h2>" in text
    assert "5 runs" in text


def test_sweeps_of_failures_have_a_page(tmp_path, monkeypatch):
    (tmp_path / "sweep.toml").write_text(RECIPE)

    def fail(*_arguments, **_options):
        raise ArithmeticError("no step converges")

    monkeypatch.setattr("dmft.systems.spiked.job.solve", fail)
    folder = Folder(tmp_path / "runs")
    folder.prepare()
    execute(read(tmp_path / "sweep.toml").jobs(), folder, progress=False)
    text = report(folder.path, tmp_path / "page.html", progress=False).read_text()
    assert "3 of them failed" in text
    assert "no step converges" in text
    assert "runs: failed" in text


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["runs", "--output", "page.txt"], "must end in .html"),
        (["runs", "--output", "page.html"], "exists already"),
        (["missing", "--output", "a.html"], "is no folder of a sweep"),
        (["runs", "--output", "a.html", "--simulation", "none.csv"], "there is no such file"),
        (["runs", "--output", "a.html", "--simulation", "sweep.toml"], "it lacks quantity, theory"),
        (["runs", "--output", "a.html", "--simulation", "empty.csv"], "it has no rows"),
        (["runs", "--output", "a.html", "--simulation", "bad.csv"], "z = 'x' is no number"),
    ],
)
def test_bad_input(runs, arguments, sentence, monkeypatch, capsys):
    monkeypatch.chdir(runs)
    header = Z.splitlines()[0]
    (runs / "empty.csv").write_text(header + "\n")
    (runs / "bad.csv").write_text(header + "\na,m,1,0,0,1,x\n")
    assert main(["report", *arguments]) == 2
    assert sentence in capsys.readouterr().err
    assert not (runs / "a.html").exists()


# In a browser.


@pytest.fixture(scope="module")
def browser():
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        missing = "needs Debian's chromium and chromium-driver"
        # `.ci/run` sets this where it could install them.
        if os.environ.get("DMFT_BROWSER") == "required":
            pytest.fail(missing)
        pytest.skip(missing)
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    started = webdriver.Chrome(options, webdriver.ChromeService(driver))
    yield started
    started.quit()


@pytest.fixture
def page(browser, runs):
    browser.set_window_size(1300, 900)
    browser.get_log("performance")
    browser.get((runs / "page.html").as_uri())
    return browser


def test_it_loads_alone(page):
    assert not [line for line in page.get_log("browser") if line["level"] == "SEVERE"]
    sent = [json.loads(line["message"])["message"] for line in page.get_log("performance")]
    urls = [
        message["params"]["request"]["url"]
        for message in sent
        if message["method"] == "Network.requestWillBeSent"
    ]
    assert [url for url in urls if not url.startswith(("file:", "data:", "blob:"))] == []
    assert page.execute_script("return document.querySelectorAll('.main-svg').length") >= 3


def visible(page):
    return page.execute_script(
        "return document.getElementById('figure-1').data.map(d => d.visible !== false)"
    )


def test_the_slider_changes_the_plot(page):
    from selenium.webdriver.common.action_chains import ActionChains

    assert visible(page) == [True] * 6 + [False] * 12
    title = page.execute_script("return document.getElementById('figure-1').layout.title.text")
    slider = page.find_element("css selector", "#figure-1 .slider-rail-touch-rect")
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", slider)
    width = slider.size["width"]
    ActionChains(page).move_to_element_with_offset(slider, round(-width / 6), 0).click().perform()
    assert visible(page) == [False] * 6 + [True] * 6 + [False] * 6
    new = page.execute_script("return document.getElementById('figure-1').layout.title.text")
    assert new != title
    assert "\N{GREEK CAPITAL LETTER DELTA}<sub>2</sub> = 0.5" in new


def test_hover_tells_the_parameters(page):
    texts = page.execute_script(
        "return document.getElementById('figure-0').data.filter(d => d.mode == 'markers')"
        ".flatMap(d => d.text)"
    )
    assert len(texts) == 3
    assert all(
        "\N{GREEK CAPITAL LETTER DELTA}<sub>3</sub> = 1, 1/" in text and "finished at t" in text
        for text in texts
    )


def test_it_fits_a_narrow_screen(page):
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 380, "height": 800, "deviceScaleFactor": 1, "mobile": True},
    )
    page.refresh()
    assert page.execute_script("return document.documentElement.scrollWidth") <= 380
    # The panels stand below each other: no title runs into the next.
    boxes = page.execute_script(
        "return [...document.querySelectorAll('#figure-1 .annotation')]"
        ".map(a => a.getBoundingClientRect()).map(b => [b.left, b.right, b.top, b.bottom])"
    )
    assert len(boxes) == 6
    assert all(left >= 0 and right <= 380 for left, right, _, _ in boxes)
    assert all(one[3] < other[2] for one, other in itertools.pairwise(boxes))
    hidden = (
        "return [...document.querySelectorAll('.figure')].map(f => f.scrollHeight - f.clientHeight)"
    )
    assert max(page.execute_script(hidden)) <= 0
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_scores_of_both_kinds_stand_below_each_other(page):
    """The table of this page has an entry at a time; one without a time has a panel of its own."""
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": True},
    )
    page.refresh()
    domains = page.execute_script(
        "const l = document.getElementById('figure-2').layout;"
        "return [l.xaxis.domain, l.xaxis2.domain, l.yaxis.domain, l.yaxis2.domain]"
    )
    assert domains[0] == domains[1] == [0, 1]
    assert domains[2][0] > domains[3][1]
    assert not [line for line in page.get_log("browser") if line["level"] == "SEVERE"]
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_it_prints(page):
    from selenium.webdriver.common.print_page_options import PrintOptions

    page.execute_script(
        "window.printed = []; window.addEventListener('beforeprint', () => window.printed ="
        " [...document.querySelectorAll('.main-svg')].map(s => s.getBoundingClientRect().width))"
    )
    pdf = page.print_page(PrintOptions())
    assert len(pdf) > 20_000
    # On paper the figures are as wide as the page, and on the screen they are again as they were.
    widths = page.execute_script("return window.printed")
    assert widths
    assert max(widths) <= 700
    width = "return document.querySelector('.main-svg').getBoundingClientRect().width"
    assert page.execute_script(width) > 900


def test_curves_differ_in_more_than_colour(page):
    styles = page.execute_script(
        "return document.getElementById('figure-0').data.map(d => d.mode == 'lines' ?"
        " d.line.dash + d.line.color : d.marker.symbol)"
    )
    assert len(set(styles)) == len(styles)
    dashes = [style.split("#")[0] for style in styles if "#" in style]
    assert len(set(dashes)) == len(dashes) == 7


def test_numbers_are_those_of_the_table(runs):
    text = (runs / "page.html").read_text()
    table = collect(runs / "runs")
    for m, e in zip(table["m"], table["e"], strict=True):
        assert f"<td>{m:.7g}</td>" in text
        assert f"<td>{e:.7g}</td>" in text
