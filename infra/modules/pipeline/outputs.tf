output "settings" {
  description = "Lines for vertex.toml; the image's tag is that of the build."
  value       = <<-END
    project = "${var.project}"
    region = "${var.region}"
    run_root = "gs://${google_storage_bucket.runs.name}/${var.name}"
    service_account = "${google_service_account.runner.email}"
    image = "${var.region}-docker.pkg.dev/${var.project}/${var.name}/${var.name}:1"
    dataflow_subnetwork = "regions/${var.region}/subnetworks/${google_compute_subnetwork.workers.name}"
  END
}
