"""The demo's page, built with Gradio.

Gradio's own inputs for pictures and cameras store files. This page does not: a script in `gr.HTML` sends the picture as
a data URL in an event, and the results come back as HTML that contains the pictures.
"""

import html
from types import ModuleType
from typing import TYPE_CHECKING

from ...saving.runtimes import required
from .answers import COLUMNS, Demo, model_lines

if TYPE_CHECKING:
    import gradio

CAUTION = (
    "The labels are guesses about the expression on a picture, not about what a person feels. "
    "Not for identifying or judging people."
)
KEPT = "Pictures are processed in memory, on the computer that serves this page, and are not stored."
# One request is predicted at a time. At most this many wait; Gradio refuses further ones with a message.
WAITING = 8
# For the live tab: width of the frames in pixels, and the seconds to wait for an answer before the next frame is sent.
FRAME_WIDTH, FRAME_PATIENCE = 480, 15

_CSS = """
.fer-caution { border-left: 4px solid #b45309; padding: 0.4em 0.8em; }
.fer-fault { border-left: 4px solid #b91c1c; padding: 0.4em 0.8em; font-weight: 600; }
.fer-result img { max-width: 100%; height: auto; display: block; }
.fer-result figure { margin: 0; }
.fer-input { border: 2px dashed var(--border-color-primary); border-radius: 8px; padding: 1em; }
.fer-input.over { border-color: var(--color-accent); }
.fer-input .row { display: flex; flex-wrap: wrap; gap: 0.6em; align-items: center; }
.fer-input button, .fer-input .choose { border: 1px solid var(--border-color-primary); border-radius: 6px;
  padding: 0.5em 1em; cursor: pointer; font: inherit; color: var(--button-secondary-text-color);
  background: var(--button-secondary-background-fill); }
.fer-input input[type=file] { position: absolute; opacity: 0; width: 1px; height: 1px; }
.fer-input .choose:focus-within { outline: 3px solid var(--color-accent); }
.fer-input video { width: 320px; max-width: 100%; border-radius: 8px; margin-top: 0.6em; }
.fer-input [hidden] { display: none; }
"""

_PICTURE_HTML = """
<div class="fer-input">
  <div class="row">
    <label class="choose">Choose a picture<input type="file" accept="image/*"></label>
    <button type="button" class="camera">Use the webcam</button>
    <button type="button" class="snap" hidden>Take the picture</button>
    <span>or drop one here</span>
  </div>
  <video playsinline muted hidden></video>
  <p class="said" role="status"></p>
</div>
"""

_LIVE_HTML = """
<div class="fer-input">
  <div class="row">
    <button type="button" class="camera">Start the webcam</button>
    <button type="button" class="stop" hidden>Stop</button>
  </div>
  <video playsinline muted hidden></video>
  <p class="said" role="status"></p>
</div>
"""

_CAMERA_JS = """
const find = name => element.querySelector(name);
const say = text => { find('.said').textContent = text; };
const video = find('video');
let stream = null;
const show = (name, on) => { find(name).hidden = !on; };
async function open() {
  if (!navigator.mediaDevices) {
    say('The browser allows cameras only for pages from this computer (127.0.0.1) or over https.');
    return false;
  }
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: true, audio: false });
  } catch (error) {
    say('No webcam: ' + error.message);
    return false;
  }
  video.srcObject = stream;
  show('video', true);
  await video.play();
  say('');
  return true;
}
function close() {
  if (stream) stream.getTracks().forEach(track => track.stop());
  stream = null;
  video.srcObject = null;
  show('video', false);
}
function grab(width) {
  const canvas = document.createElement('canvas');
  const scale = Math.min(1, width / video.videoWidth);
  canvas.width = Math.round(video.videoWidth * scale);
  canvas.height = Math.round(video.videoHeight * scale);
  canvas.getContext('2d').drawImage(video, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL('image/jpeg', 0.9);
}
"""

_PICTURE_JS = """
const limit = props.max_mb * 1e6;
function take(file) {
  if (!file) return;
  if (file.size > limit) {
    say('The picture has ' + (file.size / 1e6).toFixed(1) + ' MB; at most ' + props.max_mb + ' MB are allowed.');
    return;
  }
  say('');
  const reader = new FileReader();
  reader.onload = () => trigger('picture', { data: reader.result });
  reader.onerror = () => say('The browser cannot read this file.');
  reader.readAsDataURL(file);
}
find('input').addEventListener('change', event => { take(event.target.files[0]); event.target.value = ''; });
function ready(on) { show('.camera', !on); show('.snap', on); }
find('.camera').addEventListener('click', async () => { ready(await open()); });
find('.snap').addEventListener('click', () => {
  const data = grab(1280);
  close();
  ready(false);
  trigger('picture', { data: data });
});
const box = find('.fer-input');
box.addEventListener('dragover', event => { event.preventDefault(); box.classList.add('over'); });
box.addEventListener('dragleave', () => box.classList.remove('over'));
box.addEventListener('drop', event => {
  event.preventDefault();
  box.classList.remove('over');
  take(event.dataTransfer.files[0]);
});
"""

_LIVE_JS = """
let timer = null;
function send() {
  clearTimeout(timer);
  if (!stream) return;
  if (!video.videoWidth || !element.offsetParent) {  // no picture yet, or another tab is open
    timer = setTimeout(send, 300);
    return;
  }
  timer = setTimeout(send, props.patience * 1000);
  trigger('frame', { data: grab(props.width) });
}
function running(on) { show('.camera', !on); show('.stop', on); }
window.addEventListener('fer-frame-done', () => { if (stream) { clearTimeout(timer); timer = setTimeout(send, 30); } });
find('.camera').addEventListener('click', async () => { if (await open()) { running(true); send(); } });
find('.stop').addEventListener('click', () => { clearTimeout(timer); close(); running(false); });
"""


def build_page(demo: Demo) -> "gradio.Blocks":
    """Builds the page of a `Demo`. It does not serve it yet.

    Raises: `InputError` if Gradio is not installed.
    """
    gradio = required("gradio")
    with gradio.Blocks(title="Facial expressions", analytics_enabled=False) as page:
        gradio.HTML(_head(demo.recognizer.model))
        with gradio.Tab("Picture"):
            _add_picture_tab(gradio, demo)
        with gradio.Tab("Live"):
            _add_live_tab(gradio, demo)
    return page.queue(max_size=WAITING, api_open=False)


def look(gradio: ModuleType) -> dict:
    """The theme and CSS of the page, as arguments of `gradio.mount_gradio_app`. It uses only fonts of the computer."""
    theme = gradio.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
    return {"theme": theme, "css": _CSS}


def _head(model):
    lines = "<br>".join(html.escape(line) for line in model_lines(model))
    caution, kept = html.escape(CAUTION), html.escape(KEPT)
    return f'<h1>Facial expressions</h1><p class="fer-caution"><b>{caution}</b></p><p>{lines}</p><p>{kept}</p>'


def _add_picture_tab(gradio, demo):
    upload = gradio.HTML(html_template=_PICTURE_HTML, js_on_load=_CAMERA_JS + _PICTURE_JS, max_mb=demo.max_mb)
    message = gradio.HTML()
    with gradio.Row():
        with gradio.Column(min_width=300):
            annotated = gradio.HTML(elem_classes="fer-result")
        with gradio.Column(min_width=300):
            bars = gradio.Label(label="Largest face", num_top_classes=len(demo.recognizer.class_names))
            shown_map = gradio.HTML(elem_classes="fer-result")
    table = gradio.Dataframe(headers=list(COLUMNS), label="All faces", interactive=False)

    def show(event: gradio.EventData):  # type: ignore[name-defined]
        return tuple(demo.picture(event._data.get("data")))

    upload.picture(show, None, [message, annotated, bars, shown_map, table], show_progress="minimal", **_ONE_BY_ONE)


def _add_live_tab(gradio, demo):
    settings = {"width": FRAME_WIDTH, "patience": FRAME_PATIENCE}
    webcam = gradio.HTML(html_template=_LIVE_HTML, js_on_load=_CAMERA_JS + _LIVE_JS, **settings)
    shown, state = gradio.HTML(elem_classes="fer-result"), gradio.State()

    def show(before, event: gradio.EventData):  # type: ignore[name-defined]
        return demo.frame(event._data.get("data"), before)

    frame = webcam.frame(show, state, [shown, state], show_progress="hidden", **_ONE_BY_ONE)
    frame.then(None, js="() => { window.dispatchEvent(new Event('fer-frame-done')); }", api_visibility="private")


# Both tabs share one queue for the model, which predicts one request at a time.
_ONE_BY_ONE = {"concurrency_limit": 1, "concurrency_id": "model", "api_visibility": "private"}
