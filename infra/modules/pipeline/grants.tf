# What access.tf.json says, as one grant each, under a name that tells it.
locals {
  grants = {
    for on in ["project", "dataset", "bucket", "repository"] : on => merge([
      for who, access in local.access : {
        for role in try(access[on], []) : "${who} ${role}" => { who = who, role = "roles/${role}" }
      }
    ]...)
  }

  impersonations = merge([
    for who, access in local.access : {
      for account in access.acts_as : "${who} as ${account}" => { who = who, account = account }
    }
  ]...)
}
