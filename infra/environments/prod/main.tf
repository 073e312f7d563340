# Production: a project of its own, whose bucket outlives 'terraform destroy'.
terraform {
  backend "gcs" {
    prefix = "pipeline/prod"
  }
}

provider "google" {
  project = var.project
  region  = var.region
}

module "pipeline" {
  source              = "../../modules/pipeline"
  project             = var.project
  region              = var.region
  name                = var.name
  bucket              = var.bucket
  bucket_location     = var.bucket_location
  engineers           = var.engineers
  expendable          = false
  webhook             = true
  bigquery_ml_dataset = var.bigquery_ml_dataset
}

output "settings" {
  value = module.pipeline.settings
}
