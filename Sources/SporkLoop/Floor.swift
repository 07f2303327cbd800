// SporkLoop
