"""The files of the web page hold what the study asks, and nothing that runs by accident."""

import json
import re
import shutil
import subprocess

import pytest

from fesbench.core.errors import BenchError
from fesbench.reports.study.design.build import build
from fesbench.reports.study.packet.prose import read_texts, to_html
from fesbench.reports.study.packet.web.page import Codes, Hosting, asset_files, config_script


@pytest.fixture(scope="module")
def packet(tmp_path_factory, write_study, material, request_of):
    made = build(material, request_of(outputs=("web",)))
    folder = tmp_path_factory.mktemp("web")
    return write_study(folder / "a" / "packet", folder / "key", made, material), made


def script_value(text):
    return json.loads(re.fullmatch(r"window\.\w+ = (.*);\n", text, re.DOTALL)[1])


def test_every_form_and_picture_is_beside_the_page(packet):
    folder, made = packet[0] / "public" / "web", packet[1]
    for form in made.forms:
        assert script_value((folder / "forms" / f"{form.id}.js").read_text()) == form.model_dump(mode="json")
        for name in form.stimuli:
            assert (folder / "stimuli" / f"{name}.png").read_bytes() == made.files[name]
    linked = re.findall(r'(?:src|href)="([^"]+)"', (folder / "index.html").read_text())
    assert linked
    assert all(name == "data:," or (folder / name).is_file() for name in linked)
    assert script_value((folder / "config.js").read_text())["forms"] == [form.id for form in made.forms]


def test_the_page_names_no_model_and_no_kind_of_trial(packet):
    names = {*packet[1].key.models, *packet[1].key.titles.values(), "gold", "attention", "repeats"}
    own = [p for p in (packet[0] / "public" / "web").rglob("*.js") if not p.name.startswith("jspsych-")]
    assert own
    for path in own:
        found = {name for name in names if name in path.read_text()}
        assert not found, path


BROWSER = """
const kept = {}, replies = REPLIES, sent = [];
const localStorage = {getItem: (name) => kept[name] ?? null, setItem: (name, value) => (kept[name] = value)};
const document = {getElementById: () => ({})};
const setTimeout = (done) => queueMicrotask(done);
const fetch = async (address, {body}) => {
  sent.push(JSON.parse(body).trial_id);
  const status = replies.shift();
  if (!status) throw new Error("offline");
  return {status, ok: status < 300};
};
"""


@pytest.mark.skipif(not shutil.which("node"), reason="node, which comes with npm, is not installed")
@pytest.mark.parametrize(
    ("replies", "sent", "arrived"),
    [([408, 429, 503, None, 200, 200], "aaaaab", True), ([409, 200], "ab", False)],
)
def test_an_answer_is_sent_until_the_server_has_decided(packet, replies, sent, arrived):
    """Against a stand-in for what a browser has."""
    script = (packet[0] / "public" / "web" / "answers.js").read_text()
    program = f"""{BROWSER.replace("REPLIES", json.dumps(replies))}{script}
    const answers = new Answers({{id: "s", forms: ["F0001"]}}, new Map());
    answers.keep({{rows: [{{trial_id: "a"}}, {{trial_id: "b"}}]}});
    answers.send().then((arrived) => console.log(JSON.stringify([sent.join(""), arrived])));"""
    done = subprocess.run(["node", "-"], input=program, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [sent, arrived]


def test_the_boxes_of_the_consent_are_buttons_not_text(packet):
    config = script_value(config_script(packet[1].study, read_texts(packet[0]), Codes(), {"server": True}))
    assert config["consent_choices"] == ["I agree to take part", "I do not agree to take part"]
    assert "[ ]" not in config["texts"]["consent"]
    assert config["draft"] is True


def test_markdown_of_the_organiser_is_text_not_markup():
    assert to_html("# A <b>\n\n- x\n- **y**\n> <script>") == (
        "<h1>A &lt;b&gt;</h1>\n<ul><li>x</li><li><strong>y</strong></li></ul>\n"
        '<p class="note">&lt;script&gt;</p>'
    )


@pytest.mark.parametrize("codes", ["a,b,c,d", "C1,,C3", "x y", "a&b", ""])
def test_completion_codes_are_words(codes):
    with pytest.raises(BenchError, match="one to three words"):
        Codes.parse(codes)


def test_completion_codes_have_names():
    assert Codes.parse("C1, C2") == Codes(completed="C1", no_consent="C2")


@pytest.mark.parametrize(
    "address", ["http://example.org/x", "ftp://example.org", "example.org", "javascript:1"]
)
def test_answers_go_over_https_alone(address):
    with pytest.raises(BenchError, match="https"):
        Hosting(address)


def test_nobody_is_sent_away_with_the_answers_left_behind():
    with pytest.raises(BenchError, match="--post-url"):
        Hosting(codes=Codes("C1"))


def test_the_licences_of_the_vendored_scripts_travel_with_them():
    files = asset_files()
    assert "Joshua R. de Leeuw" in files["LICENSE.txt"]
    for name in files:
        version = re.search(r"([a-z-]+)-(\d+\.\d+\.\d+)\.min\.js", name)
        assert version is None or f"{version[1]} {version[2]}" in files["LICENSE.txt"]
