variable "project" {
  type = string
}

variable "region" {
  type    = string
  default = "us-central1"
}

variable "name" {
  type    = string
  default = "pipeline"
}

variable "bucket" {
  type = string
}

variable "bucket_location" {
  type    = string
  default = "US"
}

variable "engineers" {
  type = string
}

variable "bigquery_ml_dataset" {
  type    = string
  default = ""
}
