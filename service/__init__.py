"""The process: settings, schedule, workers, the command line."""
