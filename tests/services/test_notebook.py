"""A real notebook, executed by Jupyter: what its cells show of models, runs and sweeps."""

import base64
import json
import os
import sys

import pytest

import dmft

REQUIRED = os.environ.get("DMFT_NOTEBOOK") == "required"
CELLS = {
    "model": "import dmft\nmodel = dmft.SpikedMatrixTensor(p=3, delta_2=0.4, delta_p=4.0)\nmodel",
    "run": 'run = dmft.solve(model, t_end=5, m0=0.05, preset="loose")\nrun',
    "plot": "run.plot()",
    "aging": 'figure = run.plot("aging", [1.0])\nfigure',
    "sweep": """\
from pathlib import Path
from dmft.sweep import Folder, execute, read

Path("sweep.toml").write_text(
    '[model]\\nsystem = "committee"\\nprior = "binary"\\n[axes]\\nalpha = [1.0, 2.0]'
)
folder = Folder("runs")
folder.prepare()
outcome = execute(read("sweep.toml").jobs(), folder)
folder""",
    "again": """\
folder.run(read("sweep.toml").jobs()[0].name).unlink()
execute(read("sweep.toml").jobs(), folder)""",
}


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """The outputs of each cell, by its name."""
    for module in ("nbformat", "nbclient", "ipykernel"):
        if not REQUIRED:
            pytest.importorskip(module, reason=f"needs {module}: pip install nbclient ipykernel")
    import nbclient
    import nbformat

    folder = tmp_path_factory.mktemp("notebook")
    kernel = folder / "kernels" / "this-python"
    kernel.mkdir(parents=True)
    command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    told = {"argv": command, "display_name": "Python", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(told))
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(source) for source in CELLS.values()]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(folder))
        patch.setenv("IPYTHONDIR", str(folder / "ipython"))
        # The kernel stands in the folder of the notebook.
        path = [str(dmft.__path__[0]).rpartition(os.sep)[0], os.environ.get("PYTHONPATH", "")]
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, path)))
        client = nbclient.NotebookClient(
            notebook, timeout=300, kernel_name="this-python",
            resources={"metadata": {"path": str(folder)}},
        )  # fmt: skip
        client.execute()
    return {name: cell.outputs for name, cell in zip(CELLS, notebook.cells, strict=True)}


pytestmark = pytest.mark.filterwarnings("ignore")


def data(outputs, kind):
    """What the cell's last line shows in this form."""
    (found,) = [one.data[kind] for one in outputs if one.output_type == "execute_result"]
    return found


def png(text):
    assert base64.b64decode(text).startswith(b"\x89PNG")
    return True


def test_a_model(shown):
    page = data(shown["model"], "text/html")
    assert "SpikedMatrixTensor" in page
    assert "<td" in page
    assert "0.4" in page


def test_a_run_with_its_figure(shown):
    page = data(shown["run"], "text/html")
    assert "finished" in page
    assert "m at t = 5" in page
    image = page.partition('src="data:image/png;base64,')[2].partition('"')[0]
    assert png(image)


@pytest.mark.parametrize("cell", ["plot", "aging"])
def test_figures_are_images(shown, cell):
    assert png(data(shown[cell], "image/png"))


def test_a_sweep(shown):
    page = data(shown["sweep"], "text/html")
    assert "finished" in page
    assert "<svg" in page


def test_a_sweep_that_goes_on_says_what_is_there(shown):
    said = "".join(one.text for one in shown["again"] if one.output_type == "stream")
    assert "1 of 2 runs are done, 1 to go." in said


def test_nothing_else_is_said(shown):
    """Bars, and no warning."""
    for name, outputs in shown.items():
        said = "".join(one.text for one in outputs if one.output_type == "stream")
        assert "Warning" not in said, name
        assert all(one.output_type != "error" for one in outputs)
