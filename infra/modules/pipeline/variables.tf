variable "project" {
  type        = string
  description = "Google Cloud project, which is there and has a billing account."
}

variable "region" {
  type        = string
  description = "Region of pipeline, Dataflow, training, images and endpoint."
}

variable "name" {
  type        = string
  description = "What accounts, repository and network are called, and the folder of runs in the bucket."

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,22}[a-z0-9]$", var.name))
    error_message = "An account's name has 6 to 30 characters, and that of the builder ends in -build."
  }
}

variable "bucket" {
  type        = string
  description = "Bucket of all that runs write; no one else's in the world may have the name."
}

variable "bucket_location" {
  type        = string
  description = "Where it is: where the table is, since BigQuery exports only within one location."
}

variable "engineers" {
  type        = string
  description = "Who builds, submits and schedules, such as group:ml@example.com or user:me@example.com."

  validation {
    condition     = can(regex("^(user|group|serviceAccount):", var.engineers))
    error_message = "Write group:, user: or serviceAccount: before the address."
  }
}

variable "expendable" {
  type        = bool
  description = "Whether 'terraform destroy' also removes what the bucket holds."
}

variable "webhook" {
  type        = bool
  description = "Whether there is a secret for the address that is told how runs end."
}

variable "bigquery_ml_dataset" {
  type        = string
  description = "Dataset for the models that BigQuery ML trains to compare with; empty for none."
}
