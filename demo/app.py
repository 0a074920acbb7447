"""A page in the browser: drop an image, see every task. ``demo/app.py CONFIG CHECKPOINT``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from mtl3d.apis import command_line


def main(argv: Sequence[str] | None = None) -> None:
    """Load the model and serve the page on this machine."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', type=command_line.input_file, help='config file of the model')
    parser.add_argument('checkpoint', type=command_line.input_file, help='its weights')
    parser.add_argument('--device', default='cpu')
    command_line.add_common_arguments(parser)
    args = parser.parse_args(argv)
    try:
        import gradio
    except ImportError as error:
        raise ImportError('the demo needs gradio: pip install gradio') from error

    # Torch takes seconds to import; a wrong path has been reported by now.
    from mtl3d.apis.inference import inference_model, init_model
    from mtl3d.visualization.panel import draw_panel, sample_rows

    model = init_model(args.config, args.checkpoint, args.device, args.cfg_options)

    def predict(image: np.ndarray) -> np.ndarray:
        sample = inference_model(model, image)
        return draw_panel(image, sample_rows(sample), metainfo=model.dataset_meta)

    gradio.Interface(predict, gradio.Image(), gradio.Image(), title='mtl3d').launch()


if __name__ == '__main__':
    sys.exit(command_line.run_tool(main))
