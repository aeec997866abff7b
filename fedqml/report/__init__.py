"""Reports on finished and unfinished runs: reads results on disk and never imports torch."""

from fedqml.report.write import write_report

__all__ = ["write_report"]
