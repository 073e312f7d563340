# The address that is told how each run ended. Its value is put there by hand: it is to be in no state.
resource "google_project_service" "secrets" {
  count              = var.webhook ? 1 : 0
  project            = var.project
  service            = "secretmanager.googleapis.com"
  disable_on_destroy = false
}

resource "google_secret_manager_secret" "webhook" {
  count      = var.webhook ? 1 : 0
  secret_id  = "webhook"
  depends_on = [google_project_service.secrets]

  replication {
    auto {}
  }
}

resource "google_secret_manager_secret_iam_member" "webhook" {
  count     = var.webhook ? 1 : 0
  secret_id = google_secret_manager_secret.webhook[0].id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.runner.member
}
