"""Condition types and reasons of Tenant and ModelDeployment status, each with its meaning.

``Ready``, ``Reconciling`` and ``Stalled`` follow kstatus, so that ``kubectl wait``, Flux and Argo CD work unaided.
"""

from typing import Final

READY: Final = "Ready"
"""True: everything the spec asks for is in place and answering."""
RECONCILING: Final = "Reconciling"
"""True: work towards the spec is under way."""
STALLED: Final = "Stalled"
"""True: no progress without a change by a person."""
ISOLATION_READY: Final = "IsolationReady"
"""Tenant: namespace, policies, quota and bindings are in place."""
CREDENTIALS_READY: Final = "CredentialsReady"
"""Tenant: the Secret ``moorage-credentials`` exists with every key."""
INFERENCE_READY: Final = "InferenceReady"
"""Tenant: at least one Triton pod is ready."""
VECTOR_STORE_READY: Final = "VectorStoreReady"
"""Tenant: the vector store answers, or the spec asks for none."""
MODELS_READY: Final = "ModelsReady"
"""Tenant: every ModelDeployment is Ready."""

REASONS: Final = {
    "Available": "Everything works.",
    "Progressing": "Objects are applied and not all of them are ready yet.",
    "UpgradeQueued": "Another version of the operator wants other pods; they are replaced when fewer tenants are.",
    "NamespaceForeign": "A namespace of the derived name exists and is not this tenant's; nothing in it is touched.",
    "NamespaceTerminating": "The namespace of the derived name is being deleted; it is waited for.",
    "WriteFailed": "The API server refused or failed a write; it is retried with back-off.",
    "PodsNotReady": "Pods exist and are not ready yet.",
    "StoreUserPending": "The vector store runs and has no user yet whose key the API could send; one is being made.",
    "RotatingCredentials": "New keys are made; the old ones end once no pod and no request needs them any more.",
    "CredentialsRotated": "Nothing takes the old keys any more.",
    "CredentialsMissing": "The Secret lacks a key that the workloads need.",
    "AutoscalerBlind": "The autoscaler gets no figures of the load; the number of pods stays as it is.",
    "NotRequested": "The spec asks for none.",
    "External": "Somebody else runs the vector store; whether it answers shows when it is asked.",
    "Suspended": "The tenant is suspended: no pod runs, all data stays.",
    "ModelsNotReady": "At least one model is not Ready.",
    "Deleting": "The object is being deleted.",
    "Paused": "The annotation moorage.dev/paused stops reconciling.",
    "InvalidSpec": "The spec cannot be met; the message names the field.",
    "QuotaExceeded": "The tenant's quota has no room for it; the message names the bound.",
    "TenantNotFound": "The namespace has no live Tenant; the model waits.",
    "PythonBackendDisabled": "The tenant does not allow the Python backend.",
    "HashCollision": "Another snapshot already has this revision's name.",
    "NoReadyReplicas": "No Triton pod is ready to hold the model.",
    "Loading": "Replicas are fetching or loading the revision.",
    "FetchFailed": "A replica could not fetch the source.",
    "AddressRefused": "The source leads to an address that a tenant's source may not reach.",
    "SourceUnreachable": "The source's server does not resolve, connect, prove its name or deliver in time.",
    "SourceNotFound": "There is nothing where the source points to.",
    "ChecksumMismatch": "The source answers other bytes than spec.source.sha256 promises.",
    "CredentialsDenied": "The source's server refused the credentials, or wants some.",
    "SecretNotUsable": "The Secret of the source is missing, not labelled or not for this host, or Moorage's own.",
    "SourceChanged": "The source's folder holds other files than when the revision was first fetched.",
    "ClaimNotMounted": "The pod does not mount the claim: spec.inference.modelClaims of the Tenant does not name it.",
    "SourceInvalid": "The source's archive or folder is damaged, hostile or beyond a bound.",
    "StorageFull": "The model store has no room for the files.",
    "LoadFailed": "Triton refused the model; the message is Triton's own.",
    "Replacing": "The old revision is being unloaded before the new one is loaded; requests fail meanwhile.",
    "CanaryServing": "Every ready replica holds the revision; it has its share of the traffic until it is promoted.",
    "ModelFilesInvalid": "The source's files are no model that Triton may be given.",
    "ConfigInvalid": "The source's config.pbtxt, spec.config.raw or what both make with the spec is no configuration.",
    "BackendUnknown": "The Triton image lacks the backend.",
    "CodeFailed": "The model's own code raised an error while it was loaded.",
    "ShapeMismatch": "Configuration and model disagree about a tensor's name, type or shape.",
    "WarmupFailed": "The model did not answer a warm-up request as its configuration says.",
    "LoadTimedOut": "Triton did not finish loading the model in time.",
    "TritonEnded": "Triton ended while it was loading the model; others serve on without it.",
    "DependencyMissing": "A model that this one is built on does not exist or is not loaded.",
    "CanaryWaiting": "The trial of the revision that the spec asks for is not decided yet; the message says why.",
    "CanaryFailed": "Too many requests to the revision on trial failed; it was rejected and the stable one serves on.",
    "Aborted": "A person rejected the revision that the spec asks for; the stable one serves on.",
    "Pinned": "Every ready replica serves the revision that spec.rollout.pin names.",
    "RevisionNotFound": "spec.rollout.pin names a revision that is not kept; what serves goes on serving.",
    "DependencyNotReady": "A model that this one is built on has no serving revision yet.",
    "DependencyCycle": "Models are built on each other in a circle.",
    "Loaded": "Every ready replica serves the revision.",
}
"""Reason -> sentence of documentation. ``Reason`` strings in conditions come from here alone."""
