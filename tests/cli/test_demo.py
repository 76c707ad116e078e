"""The command that serves the page."""

from fixtures import run_cli

from fer_tf.predict.demo import server


def test_serving_to_others_warns(capsys, fresh_home, tiny_model_path, monkeypatch):
    apps = []
    monkeypatch.setattr(server, "serve", lambda app, *_: apps.append(app))
    common = ("demo", "--model", tiny_model_path, "--detector", "haar", "--port", 0, "--no-browser")
    own, open_to_all = run_cli(capsys, *common), run_cli(capsys, *common, "--host", "0.0.0.0")
    assert own.code == open_to_all.code == 0
    assert "http://127.0.0.1:" in own.out
    assert own.err == ""
    assert "anyone on the network can open the page and send pictures" in open_to_all.err
    assert list(apps[0].settings["models"].openers)[:2] == [str(tiny_model_path), "ferplus.h5 (bundled)"]
    assert apps[0].settings["names"] >= {"127.0.0.1", "localhost"}
    assert apps[1].settings["names"] is None
