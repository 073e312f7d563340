TRANSFORM (
  COALESCE(NULLIF(is_male, ''), 'Unknown') AS is_male,
  ML.STANDARD_SCALER(mother_age) OVER () AS mother_age_z,
  CAST(RANGE_BUCKET(mother_age, [15.0, 16.0, 17.0, 18.0, 19.0, 20.0, 21.0, 22.0, 23.0, 24.0, 25.0, 26.0, 27.0, 28.0, 29.0, 30.0, 31.0, 32.0, 33.0, 34.0, 35.0, 36.0, 37.0, 38.0, 39.0, 40.0, 41.0, 42.0, 43.0, 44.0, 45.0]) AS STRING) AS mother_age_bucket,
  ML.QUANTILE_BUCKETIZE(mother_age, 10) OVER () AS mother_age_quantile,
  COALESCE(NULLIF(plurality, ''), 'Unknown') AS plurality,
  ML.STANDARD_SCALER(gestation_weeks) OVER () AS gestation_weeks_z,
  CAST(RANGE_BUCKET(gestation_weeks, [18.0, 19.0, 20.0, 21.0, 22.0, 23.0, 24.0, 25.0, 26.0, 27.0, 28.0, 29.0, 30.0, 31.0, 32.0, 33.0, 34.0, 35.0, 36.0, 37.0, 38.0, 39.0, 40.0, 41.0, 42.0, 43.0, 44.0, 45.0, 46.0, 47.0]) AS STRING) AS gestation_weeks_bucket,
  COALESCE(NULLIF(mother_race, ''), 'Unknown') AS mother_race,
  COALESCE(NULLIF(cigarette_use, ''), 'Unknown') AS cigarette_use,
  COALESCE(NULLIF(alcohol_use, ''), 'Unknown') AS alcohol_use,
  CAST(ABS(MOD(FARM_FINGERPRINT(CONCAT(CAST(RANGE_BUCKET(mother_age, [15.0, 16.0, 17.0, 18.0, 19.0, 20.0, 21.0, 22.0, 23.0, 24.0, 25.0, 26.0, 27.0, 28.0, 29.0, 30.0, 31.0, 32.0, 33.0, 34.0, 35.0, 36.0, 37.0, 38.0, 39.0, 40.0, 41.0, 42.0, 43.0, 44.0, 45.0]) AS STRING), '|', CAST(RANGE_BUCKET(gestation_weeks, [18.0, 19.0, 20.0, 21.0, 22.0, 23.0, 24.0, 25.0, 26.0, 27.0, 28.0, 29.0, 30.0, 31.0, 32.0, 33.0, 34.0, 35.0, 36.0, 37.0, 38.0, 39.0, 40.0, 41.0, 42.0, 43.0, 44.0, 45.0, 46.0, 47.0]) AS STRING))), 4000)) AS STRING) AS mother_age_x_gestation_weeks,
  CAST(ABS(MOD(FARM_FINGERPRINT(CONCAT(COALESCE(NULLIF(is_male, ''), 'Unknown'), '|', COALESCE(NULLIF(plurality, ''), 'Unknown'))), 100)) AS STRING) AS is_male_x_plurality,
  CAST(ABS(MOD(FARM_FINGERPRINT(CONCAT(COALESCE(NULLIF(is_male, ''), 'Unknown'), '|', CAST(RANGE_BUCKET(mother_age, [15.0, 16.0, 17.0, 18.0, 19.0, 20.0, 21.0, 22.0, 23.0, 24.0, 25.0, 26.0, 27.0, 28.0, 29.0, 30.0, 31.0, 32.0, 33.0, 34.0, 35.0, 36.0, 37.0, 38.0, 39.0, 40.0, 41.0, 42.0, 43.0, 44.0, 45.0]) AS STRING), '|', COALESCE(NULLIF(plurality, ''), 'Unknown'), '|', CAST(RANGE_BUCKET(gestation_weeks, [18.0, 19.0, 20.0, 21.0, 22.0, 23.0, 24.0, 25.0, 26.0, 27.0, 28.0, 29.0, 30.0, 31.0, 32.0, 33.0, 34.0, 35.0, 36.0, 37.0, 38.0, 39.0, 40.0, 41.0, 42.0, 43.0, 44.0, 45.0, 46.0, 47.0]) AS STRING))), 20000)) AS STRING) AS is_male_x_mother_age_x_plurality_x_gestation_weeks,
  weight_pounds
)
