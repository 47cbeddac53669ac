package cases

func removeProgram() {}
