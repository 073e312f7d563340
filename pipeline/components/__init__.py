"""The steps that TFX does not have, and other executors and resolvers for those it has."""
