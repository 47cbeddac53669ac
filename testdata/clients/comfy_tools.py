"""Download as ComfyUI's tools do, with their own functions: comfy_tools.py TOOL WHAT PATH

TOOL is one of
  manager        ComfyUI-Manager, a model's URL (torchvision's function)
  manager-agent  ComfyUI-Manager, a URL of any other host
  manager-repo   ComfyUI-Manager, a whole repository; PATH is a directory
  comfy-cli      comfy model download
"""

import importlib.util
import sys
import types
from pathlib import Path


def without_pytorch():
    """Let torchvision's functions for downloads be imported on their own.

    Three names stand for PyTorch, none of which has to do with downloading,
    and torchvision's package is entered without running its __init__.
    """
    from tqdm import tqdm

    for name, members in {
        "torch": {"Tensor": None},
        "torch.hub": {"_get_torch_home": lambda: "", "load_state_dict_from_url": None},
        "torch.utils": {},
        "torch.utils.model_zoo": {"tqdm": tqdm},
    }.items():
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__dict__.update(members)
    home = Path(importlib.util.find_spec("torchvision").origin).parent
    for name, path in {"torchvision": home, "torchvision.datasets": home / "datasets"}.items():
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__path__ = [str(path)]


def manager():
    """ComfyUI-Manager's downloads, without its package, which wants ComfyUI."""
    home = Path(importlib.util.find_spec("comfyui_manager").origin).parent
    spec = importlib.util.spec_from_file_location("manager_downloader", home / "common" / "manager_downloader.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main(tool, what, path):
    path = Path(path)
    if tool == "manager":
        without_pytorch()
        manager().download_url(what, str(path.parent), path.name)
    elif tool == "manager-agent":
        if not manager().download_url_with_agent(what, str(path)):
            sys.exit(1)
    elif tool == "manager-repo":
        manager().download_repo_in_bytes(what, str(path))
    elif tool == "comfy-cli":
        from comfy_cli import tracking
        from comfy_cli.command.models import models

        tracking.track_event = lambda *args, **kwargs: None
        models.get_workspace = lambda: path.parent
        models.download(None, what, relative_path=".", filename=path.name)
    else:
        sys.exit(__doc__)


main(*sys.argv[1:])
