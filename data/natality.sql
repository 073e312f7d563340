-- One split of the examples, from the US natality table. BigQuery dialect, run unchanged by BigQuery and,
-- on a laptop, by the embedded warehouse (data/warehouse.py).
--
-- Placeholders, filled from the settings by data/query.py:
--   ${table}                     the natality table
--   ${first_year}, ${last_year}  years of birth, both included
--   ${sample}                    share of births to keep, in (0, 1]
--   ${split}                     train, eval or test
WITH
  births AS (
    SELECT
      year,
      month,
      weight_pounds,
      is_male,
      plurality,
      CAST(mother_age AS FLOAT64) AS mother_age,
      CAST(gestation_weeks AS FLOAT64) AS gestation_weeks,
      -- Codes become words, so that schema, reports and requests read the same. NULL stays NULL: not asked.
      CASE mother_race
        WHEN 1 THEN 'White'
        WHEN 2 THEN 'Black'
        WHEN 3 THEN 'American Indian'
        WHEN 4 THEN 'Chinese'
        WHEN 5 THEN 'Japanese'
        WHEN 6 THEN 'Hawaiian'
        WHEN 7 THEN 'Filipino'
        WHEN 18 THEN 'Asian Indian'
        WHEN 28 THEN 'Korean'
        WHEN 39 THEN 'Samoan'
        WHEN 48 THEN 'Vietnamese'
        WHEN 9 THEN 'Other'
        WHEN 68 THEN 'Other' -- undocumented code
        WHEN 78 THEN 'Other' -- undocumented code
        ELSE NULL
      END AS mother_race,
      CASE cigarette_use WHEN TRUE THEN 'True' WHEN FALSE THEN 'False' ELSE NULL END AS cigarette_use,
      CASE alcohol_use WHEN TRUE THEN 'True' WHEN FALSE THEN 'False' ELSE NULL END AS alcohol_use,
      -- A month is whole in one split, so no family, season or clerk leaks from train to eval. The salt was
      -- chosen so that eval and test have 12 of the 96 months of 2001-2008 each, evenly over year and season.
      ABS(MOD(FARM_FINGERPRINT(CONCAT(CAST(year AS STRING), '-', CAST(month AS STRING), '-31238')), 8)) AS month_bucket,
      -- The sample is drawn by a hash of what is in the birth's record, independent of the split. Whole grams,
      -- because engines print floats differently. What may be NULL is '' there, or the row would be in no sample.
      CONCAT(
        CAST(CAST(ROUND(weight_pounds * 453.59237) AS INT64) AS STRING), '-', CAST(mother_age AS STRING), '-',
        CAST(gestation_weeks AS STRING), '-', CAST(plurality AS STRING), '-',
        IFNULL(CAST(is_male AS STRING), ''), '-', IFNULL(CAST(father_age AS STRING), ''), '-',
        IFNULL(CAST(wday AS STRING), ''), '-', IFNULL(CAST(born_alive_alive AS STRING), ''), '-',
        IFNULL(CAST(weight_gain_pounds AS STRING), '')
      ) AS record_key
    FROM
      `${table}`
    WHERE
      year BETWEEN ${first_year} AND ${last_year}
      AND month BETWEEN 1 AND 12 -- without it, a birth belongs to no split
      -- The label must be known and a weight; weeks, age and plurality are always known to who asks. 99: unknown.
      AND weight_pounds > 0 AND NOT IS_NAN(weight_pounds)
      AND mother_age > 0 AND mother_age < 99
      AND gestation_weeks > 0 AND gestation_weeks < 99
      AND plurality BETWEEN 1 AND 5
  ),
  chosen AS (
    SELECT
      *,
      CASE plurality
        WHEN 1 THEN 'Single(1)'
        WHEN 2 THEN 'Twins(2)'
        WHEN 3 THEN 'Triplets(3)'
        WHEN 4 THEN 'Quadruplets(4)'
        ELSE 'Quintuplets(5)'
      END AS plurality_seen
    FROM
      births
    WHERE
      (CASE WHEN month_bucket < 6 THEN 'train' WHEN month_bucket = 6 THEN 'eval' ELSE 'test' END) = '${split}'
      AND (${sample} >= 1 OR ABS(MOD(FARM_FINGERPRINT(CONCAT('sample-', record_key)), 1000000)) < ${sample} * 1000000)
  )

-- With an ultrasound: sex and the number of babies are known.
SELECT
  weight_pounds,
  CASE is_male WHEN TRUE THEN 'True' WHEN FALSE THEN 'False' ELSE 'Unknown' END AS is_male,
  mother_age,
  plurality_seen AS plurality,
  gestation_weeks,
  mother_race,
  cigarette_use,
  alcohol_use,
  year,
  month
FROM
  chosen
UNION ALL
-- The same birth without: sex unknown, and of the babies only whether there is more than one.
SELECT
  weight_pounds,
  'Unknown' AS is_male,
  mother_age,
  CASE WHEN plurality = 1 THEN 'Single(1)' ELSE 'Multiple(2+)' END AS plurality,
  gestation_weeks,
  mother_race,
  cigarette_use,
  alcohol_use,
  year,
  month
FROM
  chosen
