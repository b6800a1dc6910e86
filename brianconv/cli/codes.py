"""`brianconv codes`: list the neural coding schemes, or print the equations of one."""

from __future__ import annotations

import argparse

from brianconv.cli.options import CODING_NAMES, text

NAME = "codes"
HELP = "list the neural coding schemes, or print the equations of one"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("name", nargs="?", type=text, metavar="NAME", help=", ".join(CODING_NAMES))


def run(parsed: argparse.Namespace) -> None:
    """Run the command."""
    from brianconv.coding import coding_names, find_coding

    if parsed.name:
        from brianconv.coding.description import describe_code
        from brianconv.coding.latex import latex_condition, latex_equations

        scheme = find_coding(parsed.name)
        print(describe_code(scheme))
        for title, model in (("input neurons", scheme.encoding.neuron), ("hidden neurons", scheme.neuron)):
            lines = [*latex_equations(model), rf"\text{{fires if }} {latex_condition(model.threshold)}"]
            print("\n".join([f"\nLaTeX, {title}", *(f"    {line}" for line in lines)]))
        return
    for name in sorted(coding_names()):
        scheme = find_coding(name)
        print(f"{name:<10}{scheme.source}\n          {', '.join(scheme.all_parameters)}")
