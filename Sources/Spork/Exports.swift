// What a program gets that imports Spork: the floors below, too.
@_exported public import SporkHTTP
@_exported public import SporkLoop
@_exported public import SporkNet
@_exported public import SporkPrefork
@_exported public import SporkTasks
