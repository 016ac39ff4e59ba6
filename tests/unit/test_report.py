"""The report page, written by its script from hand-made results and read as a browser would."""

import importlib.util
import json
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
from report_inputs import ODD_NAME, detection, metrics, summary, write_json, write_manifest, write_steps

from yolov3.evaluation.coco_metrics import METRIC_NAMES

SCRIPT = Path(__file__).parents[2] / "workflow" / "scripts" / "report.py"
VOID = {"meta", "br", "image", "use", "path", "rect", "link", "img", "wbr"}

# Seed documentation, "coco eval result", AP to ARl.
SEED = ["0.311", "0.528", "0.322", "0.127", "0.323", "0.428", "0.259", "0.398", "0.423", "0.224", "0.442", "0.551"]


class Page(HTMLParser):
    """Collects what tests ask for: elements with attributes, texts, and tables by id."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.tables, self.texts = [], {}, []
        self.table = None
        self.feed(text)
        self.text = " ".join(" ".join(self.texts).split())

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.elements.append((tag, attributes))
        if tag == "table":
            self.table = self.tables.setdefault(attributes.get("id", ""), [])
        elif tag == "tr":
            self.table.append([])
        elif tag in ("td", "th"):
            self.table[-1].append("")

    def handle_data(self, data):
        self.texts.append(data)
        if self.table and self.table[-1] and self.lasttag in ("td", "th", "br", "small"):
            self.table[-1][-1] = f"{self.table[-1][-1]} {data}".strip()

    def attributes(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    def of_class(self, name):
        return [attributes for _, attributes in self.elements if name in (attributes.get("class") or "").split()]


def load_main():
    spec = importlib.util.spec_from_file_location("report_script", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


class Run:
    """Results of a run in a folder; tests spoil them before `write`."""

    def __init__(self, folder, **manifest):
        self.folder = folder
        self.files = {
            "manifest": write_manifest(folder, **manifest),
            "train_metrics": write_steps(folder / "metrics.csv"),
            "train_summary": write_json(folder / "train.json", summary()),
            "eval_metrics": write_json(folder / "metrics.json", metrics()),
            "detections": write_json(
                folder / "detections.json",
                [
                    detection(5, 10, [4, 10, 20, 30], 0.9),
                    detection(5, 20, [60, 40, 10, 10], 0.8),
                    detection(5, 10, [0, 0, 5, 5], 0.1),
                ],
            ),
        }
        self.benchmarks = [folder / "train.tsv", folder / "rank_table.tsv"]
        self.benchmarks[0].write_text("s\th:m:s\tmax_rss\n3723.5\t1:02:03\t1830.2\n")
        self.output = folder / "out" / "report.html"

    def main(self, *more):
        words = [word for name, path in self.files.items() for word in (f"--{name}", str(path))]
        words += ["--benchmarks", *map(str, self.benchmarks), "--output", str(self.output), *more]
        return load_main()(words)

    def write(self, *more):
        assert self.main(*more) == 0
        return self.output.read_text(encoding="utf-8")


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


def test_page_loads_nothing_from_elsewhere(run):
    page = Page(run.write("--title", "Run <1> & more"))
    for tag, attributes in page.elements:
        assert tag not in ("script", "link", "iframe", "img", "object", "embed"), tag
        assert "src" not in attributes
        for name in ("href", "xlink:href"):
            if name in attributes:
                assert attributes[name].startswith(("#", "data:image/jpeg;base64,")), attributes[name][:60]
    assert "url(" not in run.output.read_text().replace("url(#", "")
    policy = next(a["content"] for a in page.attributes("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy


def test_page_suits_a_phone_and_both_colour_schemes(run):
    text = run.write()
    page = Page(text)
    assert any("width=device-width" in a.get("content", "") for a in page.attributes("meta"))
    assert "prefers-color-scheme: dark" in text
    assert "#010203" not in text
    assert "#040506" not in text


def test_names_are_text_and_not_markup(run):
    text = run.write("--title", "Run <1> & more")
    page = Page(text)
    assert not page.attributes("b")
    assert not page.attributes("i1")
    assert "<1>" not in text
    assert "Run <1> & more" in page.text
    assert ODD_NAME in page.text
    # Names in dollar signs are no formulas in a chart.
    assert text.count("$x$") > 3


def test_ids_are_unique_and_references_lead_somewhere(run):
    page = Page(run.write())
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in page.elements:
        if attributes.get("href", "").startswith("#"):
            assert attributes["href"][1:] in ids


def test_coco_table_stands_beside_the_published_numbers(run):
    rows = Page(run.write()).tables["coco-table"]
    assert rows[0][1:] == ["MindSpore", "Published val2014"]
    assert [row[0].split()[0] for row in rows[1:]] == list(METRIC_NAMES)
    assert [row[1] for row in rows[1:]] == ["0.457"] * 12
    assert [row[2] for row in rows[1:]] == SEED


def test_page_says_whether_the_published_numbers_compare(run):
    assert "The published values are for another data set" in Page(run.write()).text
    manifest = run.files["manifest"]
    manifest.write_text(manifest.read_text().replace('"provider": "custom"', '"provider": "coco2014"'))
    assert "The published values are for another data set" not in Page(run.write()).text


def test_headline_stages_and_config(run):
    page = Page(run.write("--config_json", '{"seed": 7, "train": {"lr": 0.5, "momentum": 0.9}}'))
    for text in ("3 min 12 s", "55.5", "62 001 757", "2.10.0", "default:", "0.001"):
        assert text in page.text, text
    # The stage without a benchmark file is left out.
    assert [row[0] for row in page.tables["stage-table"]] == ["Stage", "Train", "Total"]
    assert page.tables["stage-table"][1][1] == "1 h 02 min"
    assert "2 keys, 1 changed" in page.text


def test_gallery_draws_true_and_predicted_boxes(run):
    page = Page(run.write("--gallery_score", "0.3"))
    pictures = page.of_class("picture")
    assert len(pictures) == 3
    # Two true boxes in each picture and one in the legend; two predictions over the threshold and one in the legend.
    assert len(page.of_class("true")) == 3 * 2 + 1
    assert len(page.of_class("predicted")) == 2 + 1
    assert pictures[0]["aria-label"].startswith(
        f"a.jpg. True boxes: 1 {ODD_NAME}, 1 round. Predicted by MindSpore: round 0.90"
    )
    assert "1 of 2 found, 1 extra" in page.text
    assert "missed: round" in page.text
    assert "c <i>.jpg" in page.text


def test_gallery_size_is_a_setting(run):
    assert len(Page(run.write("--gallery_images", "2")).of_class("picture")) == 2
    assert len(Page(run.write("--gallery_images", "0")).of_class("picture")) == 0


def test_same_input_gives_the_same_bytes(run):
    assert run.write() == run.write()


def test_no_detections(run):
    write_json(run.files["detections"], [])
    page = Page(run.write())
    assert page.text.count("0 of 2 found") == 3
    assert len(page.of_class("predicted")) == 1


def test_no_ground_truth_is_a_dash(run):
    write_json(run.files["eval_metrics"], metrics(value=-1.0))
    text = run.write()
    page = Page(text)
    assert [row[1] for row in page.tables["coco-table"][1:]] == ["–"] * 12
    assert {row[1] for row in page.tables["class-table"][1:]} == {"–"}
    assert "-1.000" not in text
    assert ">nan" not in text.lower()


def test_one_class_and_no_logged_step(tmp_path):
    run = Run(tmp_path, names=("only",))
    write_json(run.files["detections"], [])
    write_json(run.files["eval_metrics"], metrics(names=("only",)))
    write_json(run.files["train_summary"], {**summary(), "validation": [], "best_epoch": None})
    write_steps(run.files["train_metrics"], count=0)
    page = Page(run.write())
    assert "1 class," in page.text
    assert "No step was logged" in page.text
    assert [row[0] for row in page.tables["class-table"]] == ["Class", "only"]


def test_eighty_classes_are_all_in_the_table_by_descending_ap(tmp_path):
    names = tuple(f"class {row}" for row in range(80))
    run = Run(tmp_path, names=names)
    write_json(run.files["detections"], [])
    numbers = metrics(names=names)
    for row, name in enumerate(names):
        numbers["per_class"][name]["AP"] = (row * 7 % 80) / 100
    write_json(run.files["eval_metrics"], numbers)
    rows = Page(run.write()).tables["class-table"][1:]
    assert {row[0] for row in rows} == set(names)
    assert [float(row[1]) for row in rows] == sorted((row / 100 for row in range(80)), reverse=True)


def without(value, *keys):
    *path, last = keys
    inner = value
    for key in path:
        inner = inner[key]
    del inner[last]
    return value


@pytest.mark.parametrize(
    ("file", "content", "named"),
    [
        ("eval_metrics", lambda: without(metrics(), "ARm"), "ARm is missing"),
        ("eval_metrics", lambda: without(metrics(), "per_class", "round", "AP50"), "per_class.round.AP50 is missing"),
        ("eval_metrics", lambda: {**metrics(), "AP": "high"}, "AP is 'high'"),
        ("eval_metrics", lambda: {**metrics(), "AP": float("nan")}, "AP is nan"),
        ("eval_metrics", lambda: [1], "is not an object"),
        ("train_summary", lambda: without(summary(), "seconds"), "seconds is missing"),
        ("train_summary", lambda: {**summary(), "validation": [{"epoch": 1}]}, "validation[0].iter is missing"),
        ("train_summary", lambda: {**summary(), "validation": 3}, "validation is 3"),
        ("detections", lambda: [{"image_id": 5, "category_id": 10, "score": 0.9}], "bbox"),
        ("detections", lambda: [detection(5, 99, [0, 0, 1, 1], 0.9)], "99"),
        ("detections", lambda: [detection(5, 10, [0, 0, 1], 0.9)], "not a list of COCO results"),
        ("detections", lambda: {"a": 1}, "not a list of COCO results"),
    ],
)
def test_bad_input_is_told_with_file_and_key(run, capsys, file, content, named):
    write_json(run.files[file], content())
    assert run.main() == 1
    message = capsys.readouterr().err
    assert str(run.files[file]) in message
    assert named in message
    assert not run.output.exists()


@pytest.mark.parametrize("file", ["manifest", "train_metrics", "train_summary", "eval_metrics", "detections"])
def test_missing_file_is_named(run, capsys, file):
    run.files[file].unlink()
    assert run.main() == 1
    assert f"{run.files[file]} does not exist" in capsys.readouterr().err


def test_bad_training_log_is_told_with_column_and_line(run, capsys):
    path = run.files["train_metrics"]
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0].replace("loss_wh", "loss_size"), *lines[1:]]))
    assert run.main() == 1
    assert "no column loss_wh" in capsys.readouterr().err
    path.write_text("\n".join([*lines[:3], "0,2,bad,1,1,1,1,1,1"]))
    assert run.main() == 1
    assert f"{path}, line 4: loss is 'bad'" in capsys.readouterr().err


def test_bad_config_and_benchmark(run, capsys):
    assert run.main("--config_json", "{") == 1
    assert "--config_json is not JSON" in capsys.readouterr().err
    run.benchmarks[0].write_text("")
    assert run.main() == 1
    assert str(run.benchmarks[0]) in capsys.readouterr().err


def test_without_a_training_the_page_tells_where_the_weights_came_from(run):
    del run.files["train_metrics"], run.files["train_summary"]
    summary = {"file": "yolov3 <1>.weights", "format": "Darknet", "parameters": 62001757, "seen": 32013312}
    run.files["weights_summary"] = write_json(run.folder / "yolov3.json", summary)

    page = Page(run.write("--config_json", '{"device_target": "GPU"}'))

    assert "No training was run: the weights were read from yolov3 <1>.weights, a weight file of Darknet" in page.text
    assert "trained on 32 013 312 images" in page.text
    assert "parameters 62 001 757" in page.text
    assert "training time" not in page.text
    assert "Device and versions" not in page.text


def test_a_run_that_names_neither_training_nor_weights_is_refused(run, capsys):
    del run.files["train_metrics"]
    assert run.main() == 1
    assert "--weights_summary" in capsys.readouterr().err


def test_the_first_batches_are_shown_in_their_own_proportions(run):
    run.files["preview"] = run.folder / "batches.jpg"
    cv2.imwrite(str(run.files["preview"]), np.zeros((40, 100, 3), np.uint8))
    page = Page(run.write())
    assert "The first batches" in page.text
    assert ("100", "40") in [(a.get("width"), a.get("height")) for a in page.attributes("image")]
    run.files["preview"].unlink()
    assert run.main() == 1


def test_the_terms_of_an_iou_loss_are_drawn(run):
    path = run.files["train_metrics"]
    header, *rows = path.read_text().splitlines()
    assert "centre" in Page(run.write()).text
    header = header.replace("loss_xy,loss_wh", "loss_box")
    path.write_text("\n".join([header, *(",".join(row.split(",")[:4] + row.split(",")[5:]) for row in rows)]))
    text = run.write()
    assert ">box<" in text and ">centre<" not in text


def test_remarks_on_the_data_lead_to_its_page(run):
    assert "About the data" not in run.write()
    run.files["data_numbers"] = write_json(run.folder / "data.json", {"remarks": ["a <b> has few boxes", "two more"]})
    page = Page(run.write())
    assert [text for text in page.texts if "few boxes" in text or "Two more" in text] == [
        "A <b> has few boxes.",
        "Two more.",
    ]
    assert "../data_report/data.html" in [attributes.get("href") for attributes in page.attributes("a")]


@pytest.mark.parametrize("content", [[], {}, {"remarks": "x"}, {"remarks": [1]}])
def test_numbers_of_the_data_without_remarks(run, capfd, content):
    run.files["data_numbers"] = write_json(run.folder / "data.json", content)
    assert run.main() == 1
    assert "has no remarks: run the stage data_report again" in capfd.readouterr().err


def test_settings_are_kept_beside_the_page(run):
    run.write("--config_json", '{"seed": 4, "train": {"lr": 0.5}}')
    kept = run.output.with_name("config.json").read_text(encoding="utf-8")
    assert json.loads(kept) == {"seed": 4, "train": {"lr": 0.5}}
