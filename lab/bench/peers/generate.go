package peers

//go:generate go tool ogen -target ogenclient -package ogenclient -clean -config ogen.yaml ../../../api/openapi.yaml
