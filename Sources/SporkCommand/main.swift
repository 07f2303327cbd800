print("spork")
