"""The DAG on one page, settings, and the steps TFX does not have."""
