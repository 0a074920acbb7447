"""Score saved predictions without the model: ``evaluate_predictions.py CONFIG FOLDER``.

FOLDER holds one sub-folder per task: ``OUT_DIR/heads`` of ``tools/test.py --out-dir OUT_DIR``.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mtl3d.apis.command_line import (
    add_common_arguments,
    input_file,
    input_path,
    output_file,
    run_tool,
)


def main(argv: Sequence[str] | None = None) -> None:
    """Score a folder and print one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'config', type=input_file, help='config file with test_dataloader and test_evaluator'
    )
    parser.add_argument('folder', type=input_path, help='predictions, one sub-folder per task')
    parser.add_argument(
        '--out', type=output_file, metavar='JSON', help='write the results to this file'
    )
    parser.add_argument(
        '--bootstrap', type=int, default=0, metavar='N', help='95 %% intervals from N replicates'
    )
    add_common_arguments(parser)
    args = parser.parse_args(argv)

    # Torch takes seconds to import; a wrong path has been reported by now.
    from mtl3d.apis.configuration import load_config
    from mtl3d.apis.evaluate_predictions import evaluate_predictions
    from mtl3d.evaluation.report import draw_table, results_dict

    cfg = load_config(args.config, args.cfg_options)
    rows = evaluate_predictions(cfg, args.folder, bootstrap=args.bootstrap)
    print(draw_table(rows, title=str(args.folder)))
    if args.out:
        report = dict(**results_dict(rows), predictions=str(args.folder), config=cfg.pretty_text)
        args.out.write_text(json.dumps(report, indent=2) + '\n')


if __name__ == '__main__':
    sys.exit(run_tool(main))
