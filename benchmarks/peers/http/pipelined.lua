-- wrk sends sixteen requests at once, and counts their answers.
init = function(args)
    local one = wrk.format("GET", "/hello")
    request_text = one:rep(16)
end

request = function()
    return request_text
end
