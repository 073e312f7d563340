resource "google_service_account" "runner" {
  account_id   = var.name
  display_name = "Runs the ${var.name} pipeline"
  depends_on   = [google_project_service.enabled]
}

resource "google_service_account" "builder" {
  account_id   = "${var.name}-build"
  display_name = "Builds the ${var.name} image"
  depends_on   = [google_project_service.enabled]
}

locals {
  accounts = {
    runner  = google_service_account.runner
    builder = google_service_account.builder
  }

  members = {
    runner    = google_service_account.runner.member
    builder   = google_service_account.builder.member
    engineers = var.engineers
  }
}

resource "google_project_iam_member" "access" {
  for_each = local.grants.project
  project  = var.project
  role     = each.value.role
  member   = local.members[each.value.who]
}

resource "google_storage_bucket_iam_member" "access" {
  for_each = local.grants.bucket
  bucket   = google_storage_bucket.runs.name
  role     = each.value.role
  member   = local.members[each.value.who]
}

resource "google_artifact_registry_repository_iam_member" "access" {
  for_each   = local.grants.repository
  location   = google_artifact_registry_repository.images.location
  repository = google_artifact_registry_repository.images.name
  role       = each.value.role
  member     = local.members[each.value.who]
}

resource "google_service_account_iam_member" "acts_as" {
  for_each           = local.impersonations
  service_account_id = local.accounts[each.value.account].name
  role               = "roles/iam.serviceAccountUser"
  member             = local.members[each.value.who]
}
