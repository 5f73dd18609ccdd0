package apikey

func base64Runs(key string) []string {
	var forms keyForms
	forms.spell(maskedKey{key})
	return forms.all[forms.plain:]
}
