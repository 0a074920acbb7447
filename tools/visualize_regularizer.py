"""See what the regularizer has learnt: ``visualize_regularizer.py CONFIG CHECKPOINT IMAGE``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mtl3d.apis.command_line import add_common_arguments, input_file, output_folder, run_tool


def main(argv: Sequence[str] | None = None) -> None:
    """Draw the volume and the rendered tasks, write the point cloud, and say where."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', type=input_file, help='config file of the model')
    parser.add_argument('checkpoint', type=input_file, help='its training checkpoint')
    parser.add_argument('image', type=input_file, help='an image file')
    parser.add_argument('--out-dir', type=output_folder, default='work_dirs/regularizer')
    parser.add_argument(
        '--field-of-view', type=float, default=63.3, help="horizontal, degrees; default: NYUv2's"
    )
    parser.add_argument(
        '--min-weight', type=float, default=0.02, help='of a point in the cloud, in 0..1'
    )
    add_common_arguments(parser)
    args = parser.parse_args(argv)

    # Torch takes seconds to import; a wrong path has been reported by now.
    from mmengine.dataset import pseudo_collate

    from mtl3d.apis.inference import inference_model, init_model, prepare_image
    from mtl3d.utils.image_io import read_picture, write_png
    from mtl3d.visualization.panel import draw_panel, sample_rows
    from mtl3d.visualization.regularizer import draw_volume, point_cloud, read_volume, write_ply

    model = init_model(args.config, args.checkpoint, cfg_options=args.cfg_options)
    item = pseudo_collate([prepare_image(args.image, model.data_preprocessor.size)])
    volume = read_volume(model, model.data_preprocessor(item, False)['inputs'])
    sample = inference_model(model, args.image, outputs='all')
    tasks = draw_panel(read_picture(args.image), sample_rows(sample), metainfo=model.dataset_meta)
    points, colors = point_cloud(
        volume, field_of_view=args.field_of_view, min_weight=args.min_weight
    )

    name = Path(args.image).stem
    files = [args.out_dir / f'{name}_{part}' for part in ('volume.png', 'tasks.png', 'points.ply')]
    write_png(files[0], draw_volume(volume))
    write_png(files[1], tasks)
    write_ply(files[2], points, colors)
    for path in files:
        print(f'Wrote {path}')


if __name__ == '__main__':
    sys.exit(run_tool(main))
