"""Where batches are run and their summaries merged."""
