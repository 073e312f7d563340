-- A model that BigQuery itself trains on the train split, and judges on the eval split: what another learner makes
-- of the same rows. Its inputs are those of the transform, computed by BigQuery ML and kept in the model.
--
-- Placeholders, filled by models/bigquery_ml.py:
--   ${model}      name of the model, as project.dataset.model
--   ${transform}  the declared features, buckets and crosses
--   ${options}    kind of model and hyperparameters
--   ${train}, ${eval}  the query of each split
CREATE OR REPLACE MODEL `${model}`
TRANSFORM (
${transform}
)
OPTIONS (
${options}
) AS
${train};

SELECT
  SQRT(mean_squared_error) AS rmse,
  mean_absolute_error AS mae
FROM
  ML.EVALUATE(
    MODEL `${model}`,
    (
${eval}
    )
  );
