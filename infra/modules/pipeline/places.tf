resource "google_project_service" "enabled" {
  for_each           = toset(local.apis)
  project            = var.project
  service            = "${each.key}.googleapis.com"
  disable_on_destroy = false # Others in the project may use it too.
}

resource "google_storage_bucket" "runs" {
  name                        = var.bucket
  location                    = var.bucket_location
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = var.expendable
  depends_on                  = [google_project_service.enabled]

  # What BigQuery hands over and Dataflow stages is of no use a day later.
  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      age            = 1
      matches_prefix = ["${var.name}/temp/"]
    }
  }
}

resource "google_artifact_registry_repository" "images" {
  repository_id = var.name
  format        = "DOCKER"
  location      = var.region
  depends_on    = [google_project_service.enabled]
}

resource "google_compute_network" "workers" {
  name                    = var.name
  auto_create_subnetworks = false
  depends_on              = [google_project_service.enabled]
}

# Dataflow's workers have no public addresses; this is how they reach Google's services.
resource "google_compute_subnetwork" "workers" {
  name                     = var.name
  network                  = google_compute_network.workers.id
  region                   = var.region
  ip_cidr_range            = "10.0.0.0/20"
  private_ip_google_access = true
}

# The ports by which Dataflow's workers talk to each other.
resource "google_compute_firewall" "workers" {
  name        = "${var.name}-workers"
  network     = google_compute_network.workers.id
  source_tags = ["dataflow"]
  target_tags = ["dataflow"]

  allow {
    protocol = "tcp"
    ports    = ["12345-12346"]
  }
}
