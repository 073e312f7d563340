# Where BigQuery keeps models, for runs with reference = "bigquery_ml" or push_to = "bigquery".
resource "google_bigquery_dataset" "models" {
  count      = var.bigquery_ml_dataset == "" ? 0 : 1
  dataset_id = var.bigquery_ml_dataset
  location   = var.bucket_location
  depends_on = [google_project_service.enabled]
}

resource "google_bigquery_dataset_iam_member" "access" {
  for_each   = var.bigquery_ml_dataset == "" ? {} : local.grants.dataset
  dataset_id = google_bigquery_dataset.models[0].dataset_id
  role       = each.value.role
  member     = local.members[each.value.who]
}
